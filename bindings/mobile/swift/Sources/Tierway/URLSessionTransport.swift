// HTTP by the platform's URLSession.
import Foundation

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

/// Most bytes of an answer that have come and are not read, 16 MiB. A session does not wait for its reader: beyond them the call
/// ends, since an answer that nobody reads must not fill the device.
private let unreadMax = 16 << 20

/// The platform's HTTP, with its proxies, certificates and radio. Redirects are not followed and nothing is cached.
public final class URLSessionTransport: Transport {
    private let session: URLSession
    private let calls: Calls

    /// - Parameter configuration: what the session is made with: a background identifier is not for this.
    public init(configuration: URLSessionConfiguration = .ephemeral) {
        configuration.urlCache = nil
        configuration.httpShouldSetCookies = false
        calls = Calls()
        session = URLSession(configuration: configuration, delegate: calls, delegateQueue: nil)
    }

    deinit {
        session.finishTasksAndInvalidate()
    }

    public func send(_ request: TransportRequest) async throws -> TransportResponse {
        guard let url = URL(string: request.url) else {
            throw Fault(.connect, "the address is not one", retry: .never, sent: false)
        }
        var asked = URLRequest(url: url)
        asked.httpMethod = request.method
        // The library itself keeps the limits; this one is for the connection that nobody waits for any more.
        asked.timeoutInterval = max(Double(request.connectMs) + Double(request.firstByteMs), Double(request.idleMs)) / 1000
        asked.setValue("identity", forHTTPHeaderField: "accept-encoding")
        for (name, value) in request.headers { asked.setValue(value, forHTTPHeaderField: name) }
        if request.method == "POST" { asked.httpBody = request.body }
        let task = session.dataTask(with: asked)
        let call = calls.begin(task)
        return try await withTaskCancellationHandler {
            let head = try await call.head()
            let headers = head.allHeaderFields.compactMap { name, value -> (name: String, value: String)? in
                (name as? String).map { (name: $0, value: "\(value)") }
            }
            return TransportResponse(status: head.statusCode, headers: headers, body: Body(call: call, task: task))
        } onCancel: {
            task.cancel()
        }
    }
}

private final class Body: TransportBody, @unchecked Sendable {
    private let call: Call
    private let task: URLSessionDataTask
    private var pieces: AsyncThrowingStream<Data, Error>.Iterator

    init(call: Call, task: URLSessionDataTask) {
        self.call = call
        self.task = task
        pieces = call.body.makeAsyncIterator()
    }

    /// Let go of unread and not closed, it ends its call all the same.
    deinit {
        task.cancel()
    }

    // Asked for one piece after the other.
    func read() async throws -> Data? {
        var reader = pieces
        defer { pieces = reader }
        let piece = try await reader.next()
        if let piece { call.wasRead(piece) }
        return piece
    }

    func close() {
        task.cancel()
    }
}

/// One call's head and bytes as the session tells of them.
private final class Call: @unchecked Sendable {
    private let unread = Locked(0)
    let body: AsyncThrowingStream<Data, Error>
    private let bytes: AsyncThrowingStream<Data, Error>.Continuation
    private let heads: AsyncThrowingStream<HTTPURLResponse, Error>
    private let begun: AsyncThrowingStream<HTTPURLResponse, Error>.Continuation

    init() {
        (body, bytes) = AsyncThrowingStream.makeStream(of: Data.self)
        (heads, begun) = AsyncThrowingStream.makeStream(of: HTTPURLResponse.self)
    }

    func head() async throws -> HTTPURLResponse {
        for try await head in heads { return head }
        try Task.checkCancellation()
        throw Fault(.network, "no answer began")
    }

    func begins(_ response: HTTPURLResponse) {
        begun.yield(response)
        begun.finish()
    }

    /// Keeps bytes until they are read; false where they are too many, and the answer has ended for its reader.
    func brings(_ data: Data) -> Bool {
        let held = unread.with { unread in
            unread += data.count
            return unread
        }
        if held > unreadMax {
            bytes.finish(throwing: Fault(.network, "more than 16 MiB of the answer came and were not read"))
            return false
        }
        bytes.yield(data)
        return true
    }

    func wasRead(_ data: Data) {
        unread.with { $0 -= data.count }
    }

    func ends(_ error: Error?) {
        let fault = error.map(faultOf)
        begun.finish(throwing: fault)
        bytes.finish(throwing: fault)
    }
}

/// The session's delegate: finds each call by its task.
private final class Calls: NSObject, URLSessionDataDelegate, @unchecked Sendable {
    private let lock = NSLock()
    private var open: [Int: Call] = [:]

    func begin(_ task: URLSessionDataTask) -> Call {
        let call = Call()
        lock.withLock { open[task.taskIdentifier] = call }
        task.resume()
        return call
    }

    private func call(of task: URLSessionTask) -> Call? {
        lock.withLock { open[task.taskIdentifier] }
    }

    func urlSession(
        _ session: URLSession,
        dataTask: URLSessionDataTask,
        didReceive response: URLResponse,
        completionHandler: @escaping (URLSession.ResponseDisposition) -> Void
    ) {
        if let head = response as? HTTPURLResponse { call(of: dataTask)?.begins(head) }
        completionHandler(.allow)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        if call(of: dataTask)?.brings(data) == false { dataTask.cancel() }
    }

    func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: Error?) {
        let ended = lock.withLock { open.removeValue(forKey: task.taskIdentifier) }
        ended?.ends(error)
    }

    func urlSession(
        _ session: URLSession,
        task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse,
        newRequest request: URLRequest,
        completionHandler: @escaping (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }
}

private func faultOf(_ error: Error) -> Fault {
    switch (error as? URLError)?.code {
    case .cancelled?:
        return Fault(.cancelled, "the call was given up", retry: .never)
    case .cannotConnectToHost?, .cannotFindHost?, .dnsLookupFailed?, .notConnectedToInternet?:
        return Fault(.connect, "no connection came about", sent: false)
    case .secureConnectionFailed?, .serverCertificateUntrusted?, .serverCertificateHasBadDate?,
        .serverCertificateHasUnknownRoot?, .serverCertificateNotYetValid?:
        return Fault(.tls, "the connection could not be made safe", sent: false)
    case .timedOut?:
        return Fault(.timeout, "no byte came in time")
    default:
        return Fault(.network, "the connection broke")
    }
}
