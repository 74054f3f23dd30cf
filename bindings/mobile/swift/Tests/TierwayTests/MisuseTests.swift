// 250 ways to leave in the midst of it: each ends in an error or cleanly and does not hang, and the account is balanced.
// Where one leaves is drawn from a seed, which a failure names.
import Foundation
import TierwayCore
import XCTest

@testable import Tierway

private let paced = #"{"reply": {"parts": [{"type": "text", "text": "\#(text)"}], "usage": {"input": 100, "output": 10}},"#
    + #" "pace": {"before_ms": 4, "between_ms": 6, "piece_chars": 3}}"#

/// The errors that a caller may see here.
private func isExpected(_ error: any Error) -> Bool {
    error is TierwayError || error is CancellationError
}

/// Every attempt has ended, of which there is one at most: a call may be over before it began.
private func settled(_ client: Client) async throws {
    try await eventually("the account is balanced") { try await client.report().total.held == 0 }
    let attempts = try await client.attempts()
    guard attempts.count <= 1 else { throw Unexpected("\(attempts.count) attempts") }
    guard attempts.allSatisfy({ $0.ending != "open" }) else { throw Unexpected("an attempt is open") }
}

/// Waits for work that was told to end; an error of another kind than ours is passed on.
private func ended<T: Sendable>(_ work: Task<T, any Error>) async throws {
    do {
        _ = try await quickly { try await work.value }
    } catch where isExpected(error) {}
}

final class MisuseTests: XCTestCase {
    /// Runs a misuse by many seeds, and says how many went well.
    private func misuse(_ name: String, _ seeds: Range<Int>, _ once: (inout Draws) async throws -> Void) async {
        var failed = 0
        for seed in seeds {
            var draws = Draws(seed)
            do {
                try await once(&draws)
            } catch {
                failed += 1
                XCTFail("\(name), seed \(seed): \(error)")
            }
        }
        print("\(seeds.count - failed) passed, \(failed) failed")
        do {
            // What the library asked of Swift is answered or given up: nothing is kept for it.
            try await eventually("no call of the library's is open") { uniffiForeignFutureHandleCountTierwayMobile() == 0 }
        } catch {
            XCTFail("\(name): \(error)")
        }
    }

    func testATaskIsCancelledAtARandomPoint() async {
        await misuse("cancelled", 0..<60) { draws in
            let byPlatform = draws.draw(2) == 0
            let client = try Client(json: settings(paced), transport: byPlatform ? URLSessionTransport() : nil)
            let how = draws.draw(4)
            let work = Task {
                switch how {
                case 0: _ = try await client.send(question)
                case 1: _ = try await client.chat(body)
                case 2: for try await _ in try await client.stream(question) {}
                default: for try await _ in try await client.chatStream(body) {}
                }
            }
            try await pause(draws.draw(80))
            work.cancel()
            try await ended(work)
            try await settled(client)
        }
    }

    func testAStreamIsLetGoHalfWay() async {
        await misuse("let go", 1000..<1040) { draws in
            let client = try Client(json: settings(paced))
            let pieces = draws.draw(5)
            let asIterator = draws.draw(2) == 0
            try await quickly {
                let stream = try await client.stream(question)
                if asIterator {
                    var iterator = stream.makeAsyncIterator()
                    for _ in 0..<pieces { _ = try await iterator.next() }
                } else {
                    for _ in 0..<pieces { _ = try await stream.next() }
                }
            }
            try await balanced(client, 1)
        }
    }

    func testAStreamIsClosedUnderItsReaders() async {
        await misuse("closed under readers", 2000..<2040) { draws in
            let client = try Client(json: settings(paced))
            let stream = try await client.stream(question)
            let readers = (0...draws.draw(3)).map { _ in Task { while try await stream.next() != nil {} } }
            try await pause(draws.draw(60))
            if draws.draw(2) == 0 { stream.close() } else { readers[0].cancel() }
            for reader in readers { try await ended(reader) }
            guard try await stream.next() == nil else { throw Unexpected("a closed stream goes on") }
            try await balanced(client, 1)
        }
    }

    func testAClientIsClosedOrLetGoInTheMidstOfItsCalls() async {
        await misuse("closed client", 3000..<3030) { draws in
            let path = try folder(self).appendingPathComponent("spend.db").path
            let file: JSONObject = ["ledger": ["path": .string(path)]]
            var client: Client? = try Client(json: settings(paced, file))
            let stream = try await client!.stream(question)
            let reader = Task { for try await _ in stream {} }
            let asked = Task { [client] in _ = try await client!.send(question) }
            try await pause(draws.draw(50))
            if draws.draw(2) == 0 {
                let closing = client!
                try await quickly { try await closing.close() }
            }
            client = nil
            if draws.draw(2) == 0 { reader.cancel() }
            for work in [reader, asked] { try await ended(work) }
            // Every attempt is in the file, settled or held, never lost.
            let after = try Client(json: settings(paced, file))
            try await eventually("the attempts are in the file") { try await after.report().total.attempts >= 1 }
            try await after.close()
        }
    }

    func testAProviderMisbehaves() async {
        await misuse("provider", 4000..<4030) { draws in
            let (after, how) = (draws.draw(4), draws.draw(5))
            let provider = Made(
                answer: { _ in
                    if how < 2 { throw Sky() }
                    try await pause(60_000)
                    return Reply(text: "late")
                },
                pieces: { _ in
                    AsyncThrowingStream { stream in
                        for at in 0..<after { stream.yield(.text(part: how == 4 ? at * 7 : 0, text: "more ")) }
                        switch how {
                        case 0: stream.finish(throwing: Sky())
                        case 1: stream.finish(throwing: CancellationError())
                        case 2: stream.finish()
                        default: break
                        }
                        // After its end, and where nobody reads.
                        stream.yield(.text(part: 0, text: "late"))
                    }
                }
            )
            let client = try own(provider, ["retry": ["attempts_max": 1]])
            let whole = draws.draw(3) == 0
            let work = Task {
                if whole { _ = try await client.send(question) } else { for try await _ in try await client.stream(question) {} }
            }
            try await pause(draws.draw(30))
            work.cancel()
            try await ended(work)
            try await settled(client)
        }
    }

    func testATransportMisbehaves() async {
        await misuse("transport", 5000..<5030) { draws in
            let (sent, how, delay) = (draws.draw(8), draws.draw(5), draws.draw(20))
            let client = try carried(["retry": ["attempts_max": 1]]) { request in
                try? await pause(delay)
                switch how {
                case 0: throw Sky()
                case 1: return try answered(request, .fault(Sky()), events: sent)
                case 2: return try answered(request, .silence, events: sent)
                case 3: return TransportResponse(status: 70_000, headers: [("", "\u{0}")], body: Pieces(["\u{0}{]"]))
                default: return try answered(request, .end, events: sent)
                }
            }
            let work = Task { for try await _ in try await client.stream(question) {} }
            try await pause(draws.draw(40))
            work.cancel()
            try await ended(work)
            try await settled(client)
        }
    }

    #if os(Linux)
        /// This test's own process is started again, and leaves in the midst of a stream.
        func testTheProcessEndsInTheMidstOfAStream() async throws {
            if let path = ProcessInfo.processInfo.environment["TIERWAY_LEAVES"] { return try await leave(path) }
            await misuse("end of the process", 6000..<6020) { draws in
                let path = try folder(self).appendingPathComponent("spend.db").path
                let (how, after) = (draws.draw(3), draws.draw(40))
                let child = Process()
                child.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
                child.arguments = ["TierwayTests.MisuseTests/testTheProcessEndsInTheMidstOfAStream"]
                child.environment = ProcessInfo.processInfo.environment
                    .merging(["TIERWAY_LEAVES": path, "TIERWAY_HOW": "\(how)", "TIERWAY_AFTER": "\(after)"]) { $1 }
                let said = Pipe()
                child.standardOutput = said
                child.standardError = said
                try child.run()
                try await eventually("the child has ended") { !child.isRunning }
                let words = String(decoding: said.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                // By the way it chose, and not by a crash of ours.
                let ends: [(Process.TerminationReason, Int32)] = [(.exit, 7), (.uncaughtSignal, SIGKILL), (.exit, 9)]
                guard (child.terminationReason, child.terminationStatus) == ends[how], !words.contains("panicked") else {
                    throw Unexpected("\(child.terminationReason) \(child.terminationStatus): \(words)")
                }
                let client = try Client(json: settings(paced, ["ledger": ["path": .string(path)]]))
                try await eventually("the attempt is in the file") { try await client.report().total.attempts >= 1 }
                try await client.close()
            }
        }

        private func leave(_ path: String) async throws {
            let environment = ProcessInfo.processInfo.environment
            let client = try Client(json: settings(paced, ["ledger": ["path": .string(path)]]))
            let stream = try await client.stream(question)
            _ = try await stream.next()
            Task { _ = try await client.send(question) }
            Task { for try await _ in stream {} }
            try await pause(Int(environment["TIERWAY_AFTER"] ?? "") ?? 0)
            switch environment["TIERWAY_HOW"] {
            case "0": exit(7)
            // As a phone ends an app.
            case "1": kill(getpid(), SIGKILL)
            default: _exit(9)
            }
            try await pause(60_000)
        }
    #endif
}
