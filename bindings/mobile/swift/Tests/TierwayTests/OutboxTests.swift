// What a client does without a network, and what it keeps from one run of the app to the next.
import Foundation
import XCTest

@testable import Tierway

final class OutboxTests: XCTestCase {
    private func plan() throws -> Offline {
        .queue(outbox: try folder(self).appendingPathComponent("outbox.jsonl").path)
    }

    func testRequestsWaitForANetworkThroughARestartAndAreAnsweredInOrder() async throws {
        let plan = try plan()
        let before = try Client(json: settings(), offline: plan)
        before.isOnline = false
        let refused = try await failure { _ = try await before.send(question) }
        XCTAssertEqual(refused.kind, .offline)
        for (ask, id) in [(question, 1), (.ask("And the sea?"), 2)] as [(RequestDraft, UInt64)] {
            let submitted = try await before.submit(ask)
            XCTAssertEqual(submitted, .queued(id: id))
        }
        let empty = try await failure { _ = try await before.submit(RequestDraft()) }
        XCTAssertEqual(empty.kind, .invalidRequest)
        let none = try await before.deliver()
        XCTAssertEqual(none, [])
        try await before.close()

        let client = try Client(json: settings(), offline: plan)
        XCTAssertEqual(try client.letters().map(\.state), [.waiting, .waiting])
        let delivered = try await client.deliver()
        XCTAssertEqual(delivered.map(\.id), [1, 2])
        XCTAssertEqual(delivered.map(\.response?.text), [text, text])
        try client.forget(1)
        XCTAssertEqual(try client.letters().map(\.id), [2])
        XCTAssertEqual(try client.letters().map(\.state), [.answered])
        XCTAssertThrowsError(try client.retry(2)) { XCTAssertEqual(($0 as? TierwayError)?.kind, .outbox) }
        XCTAssertThrowsError(try client.forget(1)) { XCTAssertEqual(($0 as? TierwayError)?.kind, .outbox) }
        guard case .answered(let response) = try await client.submit(question) else { return XCTFail("it was kept") }
        XCTAssertEqual(response.text, text)
        let again = try await client.deliver()
        XCTAssertEqual(again, [], "an answer is brought once, and not asked for again")
    }

    func testARequestThatFailedSaysWhyAndIsSentAgainWhenTold() async throws {
        let client = try Client(json: settings(#"{"fault": {"kind": "status", "status": 401}}"#), offline: plan())
        client.isOnline = false
        _ = try await client.submit(question)
        client.isOnline = true
        let delivered = try await client.deliver()
        let failed = try XCTUnwrap(delivered.first)
        XCTAssertEqual(failed.state, .failed)
        XCTAssertEqual(failed.failure?.kind, .authentication)
        XCTAssertNil(failed.response)
        try client.retry(failed.id)
        XCTAssertEqual(try client.letters().map(\.state), [.waiting])
    }

    func testARequestThatWasCutOffIsSentAgainOnlyWhenTold() async throws {
        let plan = try plan()
        let client = try Client(json: settings(#"{"fault": {"kind": "no_head"}}"#), offline: plan)
        client.isOnline = false
        _ = try await client.submit(question)
        client.isOnline = true
        let delivers = Task { try await client.deliver() }
        try await underWay(client)
        delivers.cancel()
        do {
            _ = try await quickly { try await delivers.value }
            XCTFail("it was delivered")
        } catch is CancellationError {}
        try await balanced(client, 1)
        try await client.close()

        let after = try Client(json: settings(), offline: plan)
        XCTAssertEqual(try after.letters().map(\.state), [.unknown])
        let none = try await after.deliver()
        XCTAssertEqual(none, [], "it may have been paid")
        try after.retry(1)
        let delivered = try await after.deliver()
        XCTAssertEqual(delivered.map(\.response?.text), [text])
    }

    func testWithoutANetworkOnlyTheDeviceSeesARequest() async throws {
        let client = try Client(json: settings(nil), providers: ["house": Made()], offline: .local)
        client.isOnline = false
        for call in [{ _ = try await client.send(question) }, { _ = try await client.chat(body) }] as [() async throws -> Void] {
            let error = try await failure(call)
            XCTAssertEqual(error.kind, .refused)
        }
        client.isOnline = true
        let response = try await client.send(question)
        XCTAssertEqual(response.text, text)
    }

    func testAClientWithoutAnOutboxSaysSo() async throws {
        let client = try Client(json: settings())
        let error = try await failure { _ = try await client.deliver() }
        XCTAssertEqual(error.kind, .config)
        XCTAssertThrowsError(try client.letters()) { XCTAssertEqual(($0 as? TierwayError)?.kind, .config) }
        let nowhere = Offline.queue(outbox: "/nowhere/outbox.jsonl")
        XCTAssertThrowsError(try Client(json: settings(), offline: nowhere)) { XCTAssertEqual(($0 as? TierwayError)?.kind, .outbox) }
    }

    func testAnAccountInAFileIsThereAgain() async throws {
        let path = try folder(self).appendingPathComponent("tierway.db").path
        let more: JSONObject = ["ledger": ["path": .string(path)]]
        let client = try Client(json: settings(answer, more))
        let response = try await client.send(question)
        try await client.feedback(response, mark: 1)
        try await client.close()
        let again = try Client(json: settings(answer, more))
        let total = try await again.report().total
        XCTAssertEqual(total.cost, cost)
        let attempts = try await again.attempts()
        XCTAssertEqual(attempts.map(\.ending), ["answered"])
        let learnt = try await again.experience()
        XCTAssertNotNil(learnt["overall"]?["house/small"])
    }
}
