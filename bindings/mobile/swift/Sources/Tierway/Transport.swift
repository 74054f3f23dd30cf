// HTTP by the app: where the library holds none of its own, or the app's has what it must keep to.
import Foundation

/// A request to be sent as it is: no redirect followed, no compression asked for. Its headers hold the key.
public struct TransportRequest: Sendable, CustomStringConvertible, CustomReflectable {
    /// `POST` or `GET`.
    public var method: String
    /// The whole address.
    public var url: String
    /// The headers, the key among them.
    public var headers: [(name: String, value: String)]
    /// Empty for `GET`.
    public var body: Data
    /// To a connection, TLS included.
    public var connectMs: Int
    /// From there to the first byte of an answer.
    public var firstByteMs: Int
    /// Between two pieces of an answer.
    public var idleMs: Int

    public init(
        method: String,
        url: String,
        headers: [(name: String, value: String)],
        body: Data,
        connectMs: Int,
        firstByteMs: Int,
        idleMs: Int
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.connectMs = connectMs
        self.firstByteMs = firstByteMs
        self.idleMs = idleMs
    }

    /// Shows neither the key nor the prompt.
    public var description: String { "TransportRequest(\(method), \(body.count) bytes)" }
    public var customMirror: Mirror { Mirror(self, children: ["method": method]) }
}

/// The bytes of an answer.
public protocol TransportBody: Sendable {
    /// The next bytes; nothing after the last.
    func read() async throws -> Data?

    /// Lets go of the connection. Called once, from any thread, perhaps while `read` waits; it must not block.
    func close()
}

/// An answer whose head has come.
public struct TransportResponse: Sendable {
    /// The HTTP status.
    public var status: Int
    /// The headers.
    public var headers: [(name: String, value: String)]
    /// What reads the rest.
    public var body: any TransportBody

    public init(status: Int, headers: [(name: String, value: String)], body: any TransportBody) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// Moves bytes. It says how it failed by a `Fault` of kind `connect`, `tls`, `timeout` or `network`.
public protocol Transport: Sendable {
    /// Sends a request and returns as soon as the answer's head is there. Cancelled where nobody waits any more.
    func send(_ request: TransportRequest) async throws -> TransportResponse
}
