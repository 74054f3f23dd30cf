// The client as an app uses it, against scripted vendors inside the client.
import Foundation
import XCTest

@testable import Tierway

final class ClientTests: XCTestCase {
    func testAReplyCostsWhatThePricesSay() async throws {
        let client = try Client(json: settings())
        let response = try await client.send(question)
        XCTAssertEqual(response.text, text)
        XCTAssertEqual(response.cost, cost)
        XCTAssertEqual(response.route.model, "house/small")
        let report = try await client.report(by: ["model"])
        XCTAssertEqual(report.groups.first?.values, ["model": "house/small"])
        XCTAssertEqual(report.groups.first?.sums.cost, cost)
        let attempts = try await client.attempts()
        XCTAssertEqual(attempts.map(\.cost), [cost])
        XCTAssertEqual(try client.models().map(\.callable), [true, true])
        let completion = try await client.chat(body)
        XCTAssertEqual(completion.text, text)
        XCTAssertEqual(completion.finishReason, "stop")
        XCTAssertEqual(try completion.account().cost, cost)
        try await client.close()
    }

    func testPiecesAddUp() async throws {
        let client = try Client(json: settings())
        let stream = try await client.stream(question)
        XCTAssertEqual(stream.route.endpoint, "house")
        var words = ""
        for try await piece in stream { words += piece.words }
        XCTAssertEqual(words, text)
        XCTAssertEqual(try stream.response()?.cost, cost)
        words = ""
        let chunks = try await client.chatStream(body)
        for try await chunk in chunks { words += chunk.text }
        XCTAssertEqual(words, text)
        XCTAssertEqual(try chunks.response()?.account().cost, cost)
        words = ""
        let pulled = try await client.stream(question)
        while let piece = try await pulled.next() { words += piece.words }
        XCTAssertEqual(words, text)
        try await balanced(client, 3)
    }

    func testLeavingALoopEndsTheCall() async throws {
        let client = try Client(json: settings(slow))
        let stream = try await client.stream(question)
        for try await piece in stream where !piece.words.isEmpty { break }
        let after = try await stream.next()
        XCTAssertNil(after)
        XCTAssertNil(try stream.response())
        for try await _ in stream { XCTFail("a stream is read once") }
        stream.close()
        try await balanced(client, 1)
    }

    func testCancellingATaskEndsItsCall() async throws {
        let client = try Client(json: settings(#"{"fault": {"kind": "no_head"}}"#))
        let asked = Task { try await client.send(question) }
        try await underWay(client)
        asked.cancel()
        do {
            _ = try await quickly { try await asked.value }
            XCTFail("it was answered")
        } catch is CancellationError {}
        try await balanced(client, 1)

        let paced = try Client(json: settings(lasting))
        let read = Task {
            for try await _ in try await paced.stream(question) {}
        }
        try await underWay(paced)
        read.cancel()
        do {
            try await quickly { try await read.value }
            XCTFail("it was read to its end")
        } catch is CancellationError {}
        try await balanced(paced, 1)
    }

    func testErrorsHaveKindsAndFactsAndHoldNoKey() async throws {
        let client = try Client(json: settings(#"{"fault": {"kind": "status", "status": 401}}"#))
        do {
            _ = try await client.send(question)
            XCTFail("it was answered")
        } catch let error as TierwayError {
            XCTAssertEqual(error.kind, .authentication)
            XCTAssertEqual(error.status, 401)
            XCTAssertEqual(error.provider, "house")
            var dumped = ""
            dump(error, to: &dumped)
            for shown in ["\(error)", String(reflecting: error), dumped, error.localizedDescription] {
                XCTAssertFalse(shown.contains("canary") || shown.contains("sky"), shown)
            }
        }
        XCTAssertThrowsError(try Client(Settings(keys: ["nobody": "sk-canary"]))) { error in
            XCTAssertEqual((error as? TierwayError)?.kind, .config)
            XCTAssertEqual((error as? TierwayError)?.field, "keys.nobody")
            XCTAssertFalse("\(error)".contains("canary"))
        }
        XCTAssertFalse("\(Settings(keys: ["openai": "sk-canary"]))".contains("canary"))
        XCTAssertThrowsError(try client.routeChat(["model": "house/other", "messages": [["role": "user", "content": "x"]]]))
    }

    func testMarksAreTakenOnceAndAreLearnt() async throws {
        let client = try Client(json: settings())
        let response = try await client.send(question)
        try await client.feedback(response, mark: 1)
        do {
            try await client.feedback(response, mark: 0)
            XCTFail("it was marked twice")
        } catch let error as TierwayError {
            XCTAssertEqual(error.kind, .invalidRequest)
            XCTAssertEqual(error.field, "id")
        }
        try await client.feedback(try await client.chat(body), mark: 0.5)
        let left = try await client.send(question)
        for mark in [-0.1, 1.1, .nan, .infinity] {
            do {
                try await client.feedback(left, mark: mark)
                XCTFail("\(mark) was taken")
            } catch let error as TierwayError {
                XCTAssertEqual(error.kind, .invalidRequest)
            }
        }
        try await client.feedback(left.id, mark: 0.25)
        let learnt = try await client.experience()
        XCTAssertNotNil(learnt["overall"]?["house/small"])
        try await client.setExperience(nil)
        let forgotten = try await client.experience()
        XCTAssertNil(forgotten["overall"]?["house/small"])
        try await client.setExperience(learnt)
        let again = try await client.experience()
        XCTAssertNotNil(again["overall"]?["house/small"])
    }

    func testAClosedClientSaysThatItIsClosedAndClosesTwice() async throws {
        let client = try Client(json: settings())
        _ = try await client.send(question)
        try await client.close()
        try await client.close()
        let calls: [@Sendable () async throws -> Void] = [
            { _ = try await client.send(question) }, { _ = try await client.stream(question) },
            { _ = try await client.chat(body) }, { _ = try await client.chatStream(body) },
            { _ = try client.route(question) }, { _ = try client.routeChat(body) }, { _ = try client.models() },
            { _ = try await client.report() }, { _ = try await client.attempts() }, { _ = try await client.experience() },
            { _ = try await client.submit(question) }, { _ = try await client.deliver() }, { _ = try client.letters() },
        ]
        for call in calls {
            let error = try await failure(call)
            XCTAssertEqual(error.code, "closed")
            XCTAssertEqual(error.kind, .library)
        }
        client.isOnline = false
        XCTAssertFalse(client.isOnline)
    }

    func testAnOpenStreamOutlivesItsClient() async throws {
        let pieces: @Sendable (ProviderCall) -> AsyncThrowingStream<Delta, Error> = { _ in
            AsyncThrowingStream { stream in
                Task {
                    for word in text.split(separator: " ", omittingEmptySubsequences: false) {
                        stream.yield(.text(part: 0, text: "\(word) "))
                        try await pause(5)
                    }
                    stream.yield(.usage(usage: Usage(input: 100, output: 10)))
                    stream.finish()
                }
            }
        }
        weak var gone: Client?
        let stream: AnswerStream<Delta, Response>
        do {
            let client = try own(Made(pieces: pieces))
            gone = client
            stream = try await client.stream(question)
        }
        try await eventually("the client is let go") { gone == nil }
        var words = ""
        for try await piece in stream { words += piece.words }
        XCTAssertEqual(words, text + " ")
        XCTAssertEqual(try stream.response()?.cost, cost)
    }

    func testRequestsThatAreWrongAreRefusedByKind() async throws {
        let client = try Client(json: settings())
        XCTAssertThrowsError(try client.routeChat(["messages": []])) { XCTAssertEqual(($0 as? TierwayError)?.kind, .invalidRequest) }
        let other: JSON = ["model": "house/other", "messages": [["role": "user", "content": "x"]]]
        XCTAssertThrowsError(try client.routeChat(other)) { XCTAssertEqual(($0 as? TierwayError)?.kind, .refused) }
        let empty = try await failure { _ = try await client.send(RequestDraft()) }
        XCTAssertEqual(empty.kind, .invalidRequest)
        let number = try await failure { _ = try await client.chat(["temperature": .double(.nan)]) }
        XCTAssertEqual(number.kind, .invalidRequest)
        var draft = question
        draft.sampling = Sampling(temperature: .nan)
        let heat = try await failure { [draft] in _ = try await client.send(draft) }
        XCTAssertEqual(heat.kind, .invalidRequest)
        XCTAssertEqual(heat.field, "sampling.temperature")
        try await balanced(client, 0)
        var settings = Settings(keys: [:])
        settings.router = RouterSettings(quality: .infinity)
        XCTAssertThrowsError(try Client(settings)) { error in
            XCTAssertEqual((error as? TierwayError)?.kind, .config)
            XCTAssertEqual((error as? TierwayError)?.field, "router.quality")
        }
        XCTAssertThrowsError(try ChatCompletion(json: [:]).account()) { XCTAssertEqual(($0 as? TierwayError)?.kind, .library) }
    }

    func testAStreamIsReadByManyTasksOnce() async throws {
        let client = try Client(json: settings(slow))
        let stream = try await client.stream(question)
        let pieces = try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<8 {
                group.addTask {
                    var words: [String] = []
                    while let piece = try await stream.next() { words.append(piece.words) }
                    return words
                }
            }
            return try await group.reduce(into: [String]()) { $0 += $1 }
        }
        XCTAssertEqual(pieces.joined().sorted(), text.sorted())
        try await balanced(client, 1)
    }

    func testThreadsOutsideOfTasksMayUseAClient() async throws {
        let client = try Client(json: settings())
        let done = DispatchGroup()
        let seen = Locked<[Int]>([])
        for at in 0..<16 {
            done.enter()
            Thread.detachNewThread {
                client.isOnline = at % 2 == 0
                let candidates = (try? client.route(question).candidates.count) ?? 0
                seen.with { $0.append(candidates) }
                done.leave()
            }
        }
        await withCheckedContinuation { all in done.notify(queue: .global()) { all.resume() } }
        XCTAssertEqual(seen.with { $0 }, Array(repeating: 1, count: 16))
    }

    func testRouteDecidesWithoutACall() async throws {
        let client = try Client(json: settings())
        let explanation = try client.route(question)
        XCTAssertEqual(explanation.candidates.map(\.model), ["house/small"])
        XCTAssertEqual(explanation.candidates.map(\.role), [.choice])
        XCTAssertEqual(try client.routeChat(body).candidates.count, 1)
        let attempts = try await client.report().total.attempts
        XCTAssertEqual(attempts, 0)
    }

    func testManyCallsAtOnce() async throws {
        let client = try Client(json: settings())
        let costs = try await withThrowingTaskGroup(of: Usd.self) { group in
            for _ in 0..<100 { group.addTask { try await client.send(question).cost } }
            return try await group.reduce(into: [Usd]()) { $0.append($1) }
        }
        XCTAssertEqual(costs, Array(repeating: cost, count: 100))
        try await balanced(client, 100)
    }

    func testJSONKeepsTheOrderOfKeysAndRefusesWhatIsNone() throws {
        let value = try JSON(text: #" {"z": [1, -2.5, 1e3, true, null], "a": {"q\u00e9\ud83d\ude00": "\"\\\n\/"}, "b": ""}"#)
        XCTAssertEqual(try value.text(), #"{"z":[1,-2.5,1000.0,true,null],"a":{"qé😀":"\"\\\u000a/"},"b":""}"#)
        XCTAssertEqual(value["z"]?[0], 1)
        let deep = String(repeating: "[", count: 1000)
        for wrong in ["", "{", "[1,]", #"{"a":}"#, "{a:1}", "1x", "+1", "nul", #""\ud800""#, "\"\n\"", "1 2", deep] {
            XCTAssertThrowsError(try JSON(text: wrong), wrong) {
                XCTAssertEqual(($0 as? TierwayError)?.kind, .invalidRequest)
            }
        }
        XCTAssertThrowsError(try JSON.double(.nan).text())
    }

    func testAmountsAreEqualHoweverTheyAreWritten() {
        XCTAssertTrue(Usd("0.1") < Usd("0.25"))
        XCTAssertEqual(Usd("0.10"), Usd("0.1"))
        XCTAssertEqual(Set([Usd("1"), Usd("1.00"), Usd("2")]).count, 2)
        XCTAssertEqual(Usd("0.000000000001").decimal, Decimal(string: "0.000000000001"))
        XCTAssertEqual("\(Usd("0.10"))", "$0.10")
    }

    func testWordsAndChoicesKeepTheirMeaning() throws {
        let draft = #"""
            {"model": {"any_of": ["a/b"]}, "messages": [{"role": "user", "parts": [
            {"type": "text", "text": "x", "cache": "5m"}, {"type": "image", "source": {"from": "url", "url": "u"}}]}],
            "tool_choice": {"named": "t"}, "format": {"type": "json_schema", "name": "n", "schema": {"a": [1, null]}},
            "labels": ["pii"]}
            """#
        let read: RequestDraft = try Tierway.read(RequestDraft.self, draft)
        XCTAssertEqual(read.model, .anyOf(["a/b"]))
        XCTAssertEqual(read.messages.first?.parts.first?.cache, .for5m)
        let again = try written(read)
        XCTAssertTrue(isSame(try JSON(text: draft), try JSON(text: again)), again)
    }
}
