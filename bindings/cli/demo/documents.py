"""Long documents for the workload: registers, logs, notes and interviews, put together from the lists below by
a seeded generator of our own (Python's `random` may change between versions)."""


class Dice:
    """A 64-bit congruential generator: the same numbers on every machine."""

    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 0xD1B54A32D192ED03) % 2**64

    def below(self, bound):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % bound

    def between(self, low, high):
        return low + self.below(high - low + 1)

    def pick(self, choices):
        return choices[self.below(len(choices))]

    def some(self, choices, count):
        pool = list(choices)
        return [pool.pop(self.below(len(pool))) for _ in range(min(count, len(pool)))]


PEOPLE = (
    "Ifeoma Nwosu", "Marek Dudek", "Piet Hoekstra", "Dilnoza Karimova", "Sunniva Aas", "Torben Rix", "Yasmine Cherif",
    "Raj Bhandari", "Olga Petrenko", "Hedda Strøm", "Aksel Tamm", "Birgit Ahlers", "Carlos Medina", "Femi Okonjo",
    "Wiebke Harms", "Danuta Kielar", "Sipho Dlamini", "Leonie Fuchs", "Tomasz Rudzki", "Mirella Ferri", "Joost Verhulst")
SUPPLIERS = (
    "Kestrel Abrasives", "Bramwell Timber", "Tallow & Pike", "Ostsee Beschlag", "Valmieras Koks", "Norrvik Kemi",
    "Dąb Hurtownia", "Marmara Taş", "Lys Quincaillerie", "Getafe Áridos", "Hamamatsu Seiki", "Fjellheim Isolasjon")
GOODS = (
    "birch plywood 18 mm", "zinc flange bolts M8", "breather membrane", "two-part epoxy", "oak sleepers", "roof battens",
    "glass wool 140 mm", "marble tiles 60 x 30", "grey sealant", "cordless nailers", "work lamps LK-7", "cutting discs 125")
CITIES = ("Hamburg", "Gdansk", "Lyon", "Getafe", "Tallinn", "Riga", "Leith", "Utrecht", "Setúbal", "Valmiera")


def clock(dice, minutes):
    return f"{minutes // 60 % 24:02}:{minutes % 60:02}:{dice.below(60):02}"


def service_log(dice):
    minute = 22 * 60 + dice.below(30)
    services = ("checkout", "pricing", "labels", "stock", "routing", "mailer", "search", "backup", "gateway", "invoices")
    while True:
        minute += dice.below(3)
        service, node = dice.pick(services), f"n{dice.between(1, 9)}"
        kind = dice.below(14)
        text = (
            lambda: f"INFO request served route=/{dice.pick(('cart', 'pay', 'offer', 'stock'))} status=200 ms={dice.between(8, 240)}",
            lambda: f"INFO job finished id={dice.between(10000, 99999)} rows={dice.between(20, 90000)} ms={dice.between(90, 9000)}",
            lambda: f"WARN slow query ms={dice.between(900, 8000)} table={dice.pick(('orders', 'stock_moves', 'prices', 'scans'))}",
            lambda: f"INFO cache refreshed keys={dice.between(100, 40000)} hit_ratio=0.{dice.between(61, 99)}",
            lambda: f"WARN retrying upstream={dice.pick(services)} attempt={dice.between(1, 3)} after_ms={dice.between(100, 1600)}",
            lambda: f"ERROR connection reset by peer upstream={dice.pick(services)} open_connections={dice.between(40, 512)}",
            lambda: f"INFO certificate loaded valid_hours={dice.between(2, 24)} serial={dice.between(10**6, 10**7)}",
            lambda: f"DEBUG lease renewed holder={node} ttl_s={dice.between(10, 60)}",
            lambda: f"WARN disk usage percent={dice.between(71, 97)} volume=/var/lib/{service}",
            lambda: f"ERROR deadline exceeded waiting for lock key=sku:{dice.between(1000, 9999)} waited_ms={dice.between(2000, 30000)}",
            lambda: f"INFO restarted reason={dice.pick(('deploy', 'liveness probe failed', 'out of memory', 'node drained'))}",
            lambda: f"INFO backup progress percent={dice.between(1, 99)} bytes={dice.between(10**8, 10**10)}",
            lambda: f"WARN clock offset ms={dice.between(20, 900)} source=pool-{dice.between(1, 4)}",
            lambda: f"INFO user signed in office={dice.pick(CITIES)} session={dice.between(10**7, 10**8):x}",
        )[kind]()
        yield f"{clock(dice, minute)}Z {service}-{node} {text}"


def inspection_register(dice):
    number = 400
    findings = (
        "{n} of {m} pieces outside the tolerance, worst by {x} tenths of a millimetre", "moisture {x} %, the class allows 12",
        "packaging torn on {n} pallets, goods inside dry", "certificate names another batch than the label",
        "colour differs visibly between the top and the bottom layer", "no finding; sample of {m} pieces, all in order",
        "{n} boxes short against the delivery note, driver signed for it", "smell of solvent on opening, emission test ordered",
        "threads burred, nuts bind after {n} turns", "hairline cracks under the magnifier on {n} of {m}",
        "best lot of the year, surface without a fault", "label in the wrong language, otherwise in order")
    decisions = (
        "accepted", "accepted with a rebate of {p} %", "blocked until the supplier answers", "returned at the supplier's cost",
        "sorted by hand, {p} hours charged", "accepted for second-grade sale", "retest in {p} days")
    asides = (
        "The driver waited for {n} hours.", "Same finding as on the last delivery from this house.", "Photographs 1 to {n} in the folder.",
        "The supplier was told by telephone and did not dispute it.", "{who} measured a second time with another gauge.",
        "It had rained during unloading, which may play a part.", "Different carrier than usual.", "", "", "")
    while True:
        number += dice.between(1, 3)
        fill = {"n": dice.between(2, 9), "m": dice.pick((20, 32, 50, 80)), "x": dice.between(13, 21), "p": dice.between(2, 14), "who": dice.pick(PEOPLE)}
        finding, decision, aside = (dice.pick(part).format(**fill) for part in (findings, decisions, asides))
        yield (f"No. {number} — {dice.between(1, 28)} {dice.pick(('Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun'))}, {dice.pick(CITIES)}. "
               f"{dice.pick(SUPPLIERS)}, {dice.pick(GOODS)}, lot {dice.between(1000, 9999)}, {dice.between(1, 24)} pallets. "
               f"Inspector {dice.pick(PEOPLE)}: {finding}. Decision: {decision}. {aside}".strip())


def interviews(dice):
    answers = (
        "The work was fine. It was finding out on Friday night about Saturday that wore me down.",
        "I asked three times for a scanner that holds its charge. The fourth time I asked for my papers.",
        "My manager is a good man who has eleven meetings a day. I saw him at Christmas.",
        "Honestly? The other place pays two euros more and is nine minutes from my door.",
        "I trained four people who now earn more than I do. Nobody meant it badly, nobody mended it either.",
        "The team I'll miss. We carried each other through the flood nights and I got a card signed by everyone.",
        "You can't raise children with early shift two days after late shift, whatever the plan on the wall says.",
        "Safety got better since the new doors, I want that written down. It used to be a lottery.",
        "When I reported the near miss the first question was who, not what. After that I reported less.",
        "I wanted to go into planning. There were courses, but always on my shift.",
        "The canteen, and I'm serious. At night there is a machine with crisps.",
        "I'm leaving for my mother, not because of you. If she gets better I'd come back tomorrow.",
        "They measure every pick. Fine. But they don't measure who helps the new ones, so nobody helps.",
        "The heating in hall 2. Two winters. I have pictures of ice on the inside.",
        "I liked that one could say a thing straight to Wiebke and it was done by noon. She's retiring, so.",
        "German lessons were promised in my contract. I learned it from the radio.")
    questions = ("Why are you leaving?", "What would have kept you?", "What should we never change?", "What would you fix on Monday?",
                 "How was your start?", "Would you recommend us?", "Anything you'd rather tell me off the record?")
    while True:
        person = dice.pick(PEOPLE)
        lines = [f"Interview with {person}, {dice.between(22, 64)}, {dice.pick(('picking', 'dispatch', 'returns', 'office', 'workshop', 'cold store'))}, "
                 f"{dice.pick(CITIES)}, {dice.between(1, 21)} years with us. Conducted by {dice.pick(PEOPLE)}."]
        for question, answer in zip(dice.some(questions, 4), dice.some(answers, 4)):
            lines.append(f"Q: {question}\nA: {answer}")
        yield "\n".join(lines) + "\n"


def uebergabe(dice):
    rooms = ("Küche", "Bad", "Flur", "Schlafzimmer", "Wohnzimmer", "Keller", "Balkon")
    defects = (
        "Fensterdichtung spröde, Zugluft deutlich", "Silikonfuge an der Wanne schwarz, etwa 40 cm", "drei Dübellöcher nicht verschlossen",
        "Parkett zerkratzt, Fläche ungefähr ein halber Quadratmeter", "Heizkörper wird nur oben warm", "Türblatt schleift am Boden",
        "Schimmel hinter dem Schrank, Außenwand, 30 x 50 cm", "Steckdose locker, sofort stillgelegt", "ohne Beanstandung",
        "Rauchmelder fehlt", "Wasserhahn tropft", "Fliese gesprungen, war laut Mieter schon beim Einzug so", "frisch gestrichen, sauber")
    remarks = ("Mieter erkennt den Mangel an.", "Mieter widerspricht.", "Foto beigefügt.", "Hausmeister Rix informiert.", "Frist: zwei Wochen.", "")
    number = 30
    while True:
        number += 1
        points = "\n".join(f"  - {room}: {dice.pick(defects)}. {dice.pick(remarks)}".rstrip() for room in dice.some(rooms, dice.between(3, 6)))
        yield (f"Protokoll {number}, Werkstraße {dice.between(2, 48)}, Wohnung {dice.between(1, 12)}, Mieter: {dice.pick(PEOPLE)}, "
               f"Auszug am {dice.between(1, 28)}.{dice.between(1, 12)}.2026, Zähler Strom {dice.between(10000, 99999)}, Wasser {dice.between(100, 999)}\n{points}")


def contract_schedule(dice):
    kinds = ("Distribution agreement", "Lease", "Software licence", "Framework purchase agreement", "Carrier contract", "Maintenance contract",
             "Loan agreement", "Employment contract of a key person", "Insurance policy", "Joint development agreement")
    control = (
        "The other party may terminate without notice if the majority of the company's shares changes hands.",
        "Change of control is not mentioned.", "Assignment needs consent, which may not be withheld without good cause; a sale of shares is no assignment.",
        "A change of control gives a right to terminate with {n} months' notice, to be used within {m} weeks of the announcement.",
        "Prices may be renegotiated after a change of control; failing agreement within {m} weeks either side may end the contract.",
        "Silent on control, but clause {c} lets the other side end the contract if a competitor gains \"decisive influence\".")
    oddities = (
        "Signed copy missing, terms taken from the e-mail of the purchasing department.", "Renews every year in {month}.", "The annex with prices is not signed.",
        "Side letter of 2024 extends the term by two years.", "Governed by the law of the other party's seat.", "Arbitration in Stockholm.",
        "Minimum purchase {v},000 a year, not reached in 2025.", "", "")
    number = 0
    while True:
        number += 1
        fill = {"n": dice.between(1, 12), "m": dice.between(2, 12), "c": dice.between(7, 19), "v": dice.between(20, 900),
                "month": dice.pick(("January", "April", "July", "October"))}
        yield (f"{number}. {dice.pick(kinds)} with {dice.pick(SUPPLIERS)} ({dice.pick(CITIES)}), dated {dice.between(1, 28)} "
               f"{dice.pick(('March', 'June', 'August', 'November'))} {dice.between(2012, 2026)}. Subject: {dice.pick(GOODS)}. Annual value: EUR "
               f"{dice.between(14, 980)},{dice.between(0, 999):03}. Ordinary notice: {dice.pick((1, 3, 6, 12))} months. "
               f"{dice.pick(control).format(**fill)} {dice.pick(oddities).format(**fill)}".strip())


def shift_book(dice):
    notes = (
        "Conveyor {n} stopped for {m} minutes, belt slipped again.", "Truck from {city} came {m} minutes late, unloaded by {who}.",
        "Freezer {n} alarm, back to normal by itself after {m} minutes.", "{who} cut a finger, first aid, report {k}.",
        "Gate {n} doesn't close fully, wedge put in, fitter ordered for tomorrow.", "{m} lines short because location {k} was empty though the system said 40.",
        "Quiet hour, swept hall {n}.", "Visitor from {supplier} without appointment, sent to reception.", "Fire panel shows zone {n}, guard checked: dust.",
        "{who} swapped with {who2}, told the office.", "Pallet {k} stands in the blocked area, no papers, don't touch.", "Key of cage {n} is missing since noon.")
    minute = 6 * 60
    while True:
        minute += dice.between(4, 31)
        fill = {"n": dice.between(1, 8), "m": dice.between(3, 95), "k": dice.between(1000, 9999), "city": dice.pick(CITIES), "who": dice.pick(PEOPLE),
                "who2": dice.pick(PEOPLE), "supplier": dice.pick(SUPPLIERS)}
        yield f"{minute // 60 % 24:02}:{minute % 60:02} {dice.pick(notes).format(**fill)} ({dice.pick(PEOPLE).split()[0]})"


def lab_notebook(dice):
    surprises = (
        "The chamber door stood open over the weekend.", "Used the old spindle, readings about 4 % high.", "Balance recalibrated before the series.",
        "Drum had been opened a week before.", "Nothing unusual.", "Humidity sensor replaced halfway.", "Sample 3 leaked and was left out.", "Operator changed after the third sample.")
    trial = 100
    while True:
        trial += 1
        start, temperature = dice.between(6500, 8400), dice.pick((5, 12, 20, 20, 28, 34, 40))
        readings = ", ".join(f"day {day}: {start + day * temperature * dice.between(1, 9) // 2}" for day in (1, 7, 14, 28, 56)[: dice.between(3, 5)])
        yield (f"Trial {trial}. Batch {dice.pick('KLMN')}{dice.between(10, 99)}, catalyst {dice.pick(('DMDEE 0.25 %', 'DMDEE 0.20 %', 'none', 'DBTL 0.05 %'))}, "
               f"stabiliser {dice.pick(('benzoyl chloride 200 ppm', 'none', 'benzoyl chloride 80 ppm'))}, stored at {temperature} °C in "
               f"{dice.pick(('steel drum', 'tin with inner coating', 'glass', 'plastic canister'))}. NCO at start {dice.between(155, 164) / 10} %. "
               f"Viscosity in mPas: {readings}. Wet shear after storage {dice.between(18, 62) / 10} N/mm2. {dice.pick(surprises)}")


def appels(dice):
    reasons = (
        "livraison annoncée puis reportée {n} fois sans explication", "vitre rayée à l'arrivée, photo promise", "remboursement attendu depuis {m} jours",
        "demande la notice en français", "facture au mauvais nom, comptable pressé", "bruit de roulement après {m} heures d'usage",
        "félicite le chauffeur, à transmettre", "ne retrouve pas son mot de passe, deuxième facteur perdu", "palette laissée devant le mauvais bâtiment",
        "veut parler au responsable, ton sec", "pièce GM-C20 reçue en double", "chantier arrêté, il manque {n} sacs")
    ends = ("Rappeler avant 17 h.", "Réglé.", "Transmis à l'atelier.", "Menace de porter plainte.", "Attend un courriel.", "Sans suite.", "Promis pour demain matin.")
    minute = 8 * 60
    while True:
        minute += dice.between(3, 19)
        yield (f"{minute // 60 % 12 + 8:02}h{minute % 60:02}, {dice.pick(('M.', 'Mme'))} {dice.pick(('Lefort', 'Aubry', 'Vasseur', 'Ruelle', 'Ferrand', 'Besson', 'Cordier', 'Haddad'))}, "
               f"06 {dice.between(10, 99)} {dice.between(10, 99)} {dice.between(10, 99)} {dice.between(10, 99)}, commande NH-{dice.between(500000, 599999)} : "
               f"{dice.pick(reasons).format(n=dice.between(2, 9), m=dice.between(4, 40))}. {dice.pick(ends)}")


def expense_journal(dice):
    purposes = ("taxi", "hotel, one night", "client dinner, {n} people", "fuel", "parking", "train ticket", "tools for the stand", "printing", "toll", "working lunch", "mobile top-up")
    yield "date;weekday;employee;purpose;place;amount_eur;approved_by"
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    day = 0
    while True:
        day += dice.below(2)
        cents = dice.pick((dice.between(900, 12000), dice.between(24000, 24999), dice.between(12000, 61000)))
        row = (f"2026-{day // 28 % 12 + 1:02}-{day % 28 + 1:02};{days[day % 7]};{dice.pick(PEOPLE)};{dice.pick(purposes).format(n=dice.between(2, 9))};"
               f"{dice.pick(CITIES)};{cents // 100}.{cents % 100:02};{dice.pick(PEOPLE) if cents >= 25000 else '-'}")
        yield row
        if dice.below(23) == 0:
            yield row


def reviews(dice):
    products = ("LK-7 lamp", "WM-200 welder", "TS-254 saw", "NL-18V nailer", "FL-20 lacquer", "folding sawhorse", "NL-3D laser level", "VG-18 drill")
    praise = ("fell off the roof twice and laughs about it", "cuts like butter, even in wet oak", "my apprentices fight over it", "spare parts in two days, bravo",
              "light enough for ceilings", "the case alone is worth the money", "quiet enough for a courtyard on Sunday (don't tell)", "lasted a whole season of daily work")
    blame = ("the hook. Always the hook", "battery gives half the hours printed on the box", "manual is a copy of a copy", "smelled of burning in week one",
             "no case in the box though it is in the picture", "charger whistles so that the dog leaves", "screws were of cheese", "came with a Swiss plug")
    extras = ("Bought a second one.", "Would not buy again.", "Fair price.", "The older model was better.", "For the money, all right.", "Sent back, refund in four days.", "My father wants one too.")
    while True:
        stars = dice.between(1, 5)
        yield (f"{dice.pick(products)} — {'★' * stars} — {dice.pick(PEOPLE).split()[0]}, {dice.pick(CITIES)}: "
               f"{dice.pick(praise if stars > 2 else blame).capitalize()}, {'but' if stars in (2, 3, 4) else 'and'} {dice.pick(blame if stars < 5 else praise)}. {dice.pick(extras)}")


def reclamaciones(dice):
    causes = ("{n} sacos mojados", "palé volcado en la curva de entrada", "faltan {n} bultos según albarán", "entregado en la nave del vecino", "cristal roto, embalaje intacto",
              "retraso de {m} horas, obra parada", "firma ilegible, nadie lo recibió", "carga mezclada con productos químicos")
    number = 2200
    while True:
        number += dice.between(1, 4)
        yield (f"Exp. {number}/26. Transportista: {dice.pick(('Trans Moreno', 'Iberlog', 'Ruta Norte', 'Cargas Vidal', 'Hermanos Pardo'))}. Entrega del "
               f"{dice.between(1, 28)} de {dice.pick(('enero', 'febrero', 'marzo', 'abril', 'mayo'))} en {dice.pick(('Getafe', 'Ourense', 'Lugo', 'Jaén', 'Teruel', 'Reus'))}, {dice.pick(GOODS)}. "
               f"Causa: {dice.pick(causes).format(n=dice.between(2, 30), m=dice.between(5, 70))}. Importe reclamado: {dice.between(60, 4800)} €. "
               f"{dice.pick(('Con fotos.', 'Sin fotos.', 'El conductor lo reconoce.', 'El seguro pide peritaje.', 'Pendiente de respuesta desde hace diez meses.', 'Aceptada al 50 %.'))}")


WRITERS = {writer.__name__: writer for writer in (
    service_log, inspection_register, interviews, uebergabe, contract_schedule, shift_book, lab_notebook, appels, expense_journal,
    reviews, reclamaciones)}


def write(name, size, seed):
    """The document of that name: whole paragraphs until `size` characters are reached."""
    parts, length = [], 0
    for part in WRITERS[name](Dice(seed)):
        parts.append(part)
        length += len(part) + 1
        if length >= size:
            return "\n".join(parts)
    raise ValueError(f"{name} ended early")
