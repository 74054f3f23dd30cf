"""Small PNG pictures drawn in code: 16 colours, 96 x 64 points, stored without compression so that every
machine writes the same bytes."""

import base64
import struct
import zlib

WIDTH, HEIGHT = 96, 64
WHITE, BLACK, GREY, SILVER, RED, ORANGE, YELLOW, GREEN, TEAL, BLUE, NAVY, PURPLE, PINK, BROWN, SAND, SKY = range(16)
PALETTE = bytes.fromhex(
    "ffffff 111111 777777 cccccc d62728 ff8c1a ffd92f 2ca02c 17a2a2 1f77b4 10315c 7b3fa0 f2a6c2 7f4f24 e9d8a6 a6d8f5")
ROWS = {
    "0": "75557", "1": "26227", "2": "71747", "3": "71717", "4": "55711", "5": "74717", "6": "74757", "7": "71122",
    "8": "75757", "9": "75717", ".": "00002", "-": "00700", ":": "02020", "%": "51245", " ": "00000",
}


class Canvas:
    def __init__(self, ground=WHITE):
        self.points = [[ground] * WIDTH for _ in range(HEIGHT)]

    def box(self, left, top, width, height, colour):
        for y in range(max(top, 0), min(top + height, HEIGHT)):
            for x in range(max(left, 0), min(left + width, WIDTH)):
                self.points[y][x] = colour
        return self

    def disc(self, cx, cy, radius, colour):
        for y in range(HEIGHT):
            for x in range(WIDTH):
                if (x - cx) ** 2 + (y - cy) ** 2 <= radius * radius:
                    self.points[y][x] = colour
        return self

    def line(self, x0, y0, x1, y1, colour):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(steps + 1):
            x, y = x0 + (x1 - x0) * i // steps, y0 + (y1 - y0) * i // steps
            self.box(x, y, 2, 2, colour)
        return self

    def digits(self, text, left, top, scale, colour):
        for place, letter in enumerate(text):
            for y, row in enumerate(ROWS[letter]):
                for x in range(3):
                    if int(row) >> (2 - x) & 1:
                        self.box(left + (place * 4 + x) * scale, top + y * scale, scale, scale, colour)
        return self

    def png(self):
        rows = b"".join(
            b"\0" + bytes(row[x] << 4 | row[x + 1] for x in range(0, WIDTH, 2)) for row in self.points)
        stored = b"\x78\x01\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows
        stored += struct.pack(">I", zlib.adler32(rows))
        head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 4, 3, 0, 0, 0)
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            chunk(kind, body) for kind, body in
            ((b"IHDR", head), (b"PLTE", PALETTE), (b"IDAT", stored), (b"IEND", b"")))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def bar_chart():
    canvas = Canvas().line(8, 4, 8, 56, BLACK).line(8, 56, 92, 56, BLACK)
    for place, height in enumerate((18, 24, 21, 33, 39, 12)):
        canvas.box(14 + place * 13, 56 - height, 9, height, RED if height == 12 else BLUE)
        canvas.digits(str(height), 14 + place * 13, 49 - height, 1, BLACK)
    return canvas


def line_chart():
    canvas = Canvas().line(8, 4, 8, 56, BLACK).line(8, 56, 92, 56, BLACK)
    heights = (40, 38, 37, 39, 35, 34, 12, 14, 20, 31, 33)
    for i in range(10):
        canvas.line(10 + i * 8, heights[i], 18 + i * 8, heights[i + 1], TEAL)
    return canvas.line(10, 18, 90, 18, RED)


def meter():
    canvas = Canvas(GREY).disc(48, 32, 30, WHITE).box(20, 24, 56, 16, BLACK)
    return canvas.digits("048217", 24, 27, 2, WHITE).box(64, 25, 8, 14, RED).digits("7", 64, 27, 2, WHITE)


def receipt():
    canvas = Canvas(SILVER).box(20, 0, 56, 64, WHITE)
    for place, price in enumerate(("4.50", "12.80", "3.95", "7.20")):
        canvas.box(24, 8 + place * 9, 18, 3, GREY).digits(price, 52, 7 + place * 9, 1, BLACK)
    return canvas.line(24, 45, 70, 45, BLACK).digits("28.45", 46, 50, 1, BLACK)


def shelf():
    canvas = Canvas(SAND)
    for row in range(3):
        canvas.box(0, 18 + row * 21, 96, 3, BROWN)
        for place in range(8):
            if (row, place) not in ((1, 2), (1, 3), (1, 4), (2, 7)):
                colour = (RED, GREEN, BLUE, PURPLE)[(row + place) % 4]
                canvas.box(4 + place * 11, 5 + row * 21, 8, 13, colour)
    return canvas


def weld():
    canvas = Canvas(SILVER).box(0, 26, 96, 12, GREY)
    for place in range(12):
        canvas.disc(4 + place * 8, 32, 5, NAVY if place % 2 else GREY)
    return canvas.disc(61, 33, 3, BLACK).line(58, 36, 66, 46, BLACK).line(66, 46, 64, 54, BLACK)


def dashboard():
    canvas = Canvas(NAVY)
    for row in range(3):
        for place in range(5):
            colour = RED if (row, place) == (1, 3) else YELLOW if (row, place) in ((0, 4), (2, 0)) else GREEN
            canvas.disc(14 + place * 17, 13 + row * 19, 6, colour)
    return canvas


def floor_plan():
    canvas = Canvas().box(4, 4, 88, 56, BLACK).box(6, 6, 84, 52, WHITE)
    canvas.box(40, 6, 2, 30, BLACK).box(6, 36, 52, 2, BLACK).box(64, 36, 26, 2, BLACK).box(64, 6, 2, 32, BLACK)
    canvas.box(40, 22, 2, 8, WHITE).box(20, 36, 8, 2, WHITE).box(10, 56, 9, 4, SAND)
    return canvas.box(46, 10, 14, 8, SKY).box(70, 42, 16, 10, PINK).box(10, 10, 20, 14, SAND)


PICTURES = {draw.__name__: draw for draw in (
    bar_chart, line_chart, meter, receipt, shelf, weld, dashboard, floor_plan)}


def data_uri(name):
    """The picture of that name as a data URI."""
    return "data:image/png;base64," + base64.b64encode(PICTURES[name]().png()).decode("ascii")
