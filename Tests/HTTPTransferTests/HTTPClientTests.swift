import Foundation
import HTTPTransfer
import TestBench
import Testing

/// The client against a small server on a Unix socket in this process.
@Suite(.timeLimit(.minutes(10))) struct HTTPClientTests {
    private let scratch: ScratchFolder
    private let client = HTTPClient()

    init() throws { scratch = try ScratchFolder("http") }

    private func server(_ handler: @escaping BareServer.Handler) throws -> BareServer {
        try BareServer(path: "\(scratch.path)/s", handler: handler)
    }

    private func request(_ method: String, _ path: String, body: String? = nil, timeout: Duration? = .seconds(60), maxBody: Int = 1 << 20) -> HTTPRequest {
        HTTPRequest(
            method, "http://host.example\(path)", headers: [("X-One", "1")], body: body.map { Array($0.utf8) }, unixSocket: "\(scratch.path)/s",
            timeout: timeout, maxBody: maxBody)
    }

    @Test func theRequestArrivesAndTheAnswerComesBack() async throws {
        let server = try server { request, connection in
            connection.answer(
                201,
                "\(request.method) \(request.target) \(request.headers["host"] ?? "") \(request.headers["x-one"] ?? "") "
                    + String(decoding: request.body, as: UTF8.self), headers: ["X-Two: a", "x-two: b "])
        }
        defer { server.stop() }
        let answer = try await client.send(request("PUT", "/a?b=c", body: "hello"))
        #expect(answer.status == 201 && answer.isSuccess)
        #expect(answer.text == "PUT /a?b=c host.example 1 hello")
        #expect(answer.header("X-TWO") == "b")
        // The connection is kept.
        _ = try await client.send(request("GET", "/"))
        #expect(server.connectionCount == 1)
    }

    @Test(arguments: [404, 500, 302])
    func otherStatusesAreAnswersAndRedirectsAreNotFollowed(status: Int) async throws {
        let seen = Happenings<String>()
        let server = try server { request, connection in
            seen.note(request.target)
            connection.answer(status, "words", headers: ["Location: http://host.example/elsewhere"])
        }
        defer { server.stop() }
        let answer = try await client.send(request("GET", "/here"))
        #expect(answer.status == status && !answer.isSuccess && answer.text == "words")
        #expect(seen.all == ["/here"])
    }

    @Test func whatIsNotThereIsUnreachable() async {
        let error = await #expect(throws: TransferError.self) { try await client.send(request("GET", "/")) }
        #expect(error?.kind == .unreachable)
        let stream = await #expect(throws: TransferError.self) { _ = try await client.stream(request("GET", "/")) }
        #expect(stream?.kind == .unreachable)
    }

    @Test func anAnswerThatNeverComesTimesOut() async throws {
        let server = try server { _, connection in connection.waitForEnd() }
        defer { server.stop() }
        let error = await #expect(throws: TransferError.self) { try await client.send(request("GET", "/", timeout: .milliseconds(50))) }
        #expect(error?.kind == .timeout)
    }

    @Test func anAnswerThatIsCutOffIsAnError() async throws {
        let server = try server { _, connection in
            connection.send(Array("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".utf8))
            connection.end()
        }
        defer { server.stop() }
        await #expect(throws: TransferError.self) { try await client.send(request("GET", "/")) }
        let (head, chunks) = try await client.stream(request("GET", "/"))
        #expect(head.status == 200)
        await #expect(throws: TransferError.self) { for try await _ in chunks {} }
    }

    @Test func anAnswerLargerThanAllowedIsRefused() async throws {
        let server = try server { _, connection in connection.answer(200, String(repeating: "x", count: 1000)) }
        defer { server.stop() }
        let error = await #expect(throws: TransferError.self) { try await client.send(request("GET", "/", maxBody: 999)) }
        #expect(error?.kind == .tooLarge)
        #expect(try await client.send(request("GET", "/", maxBody: 1000)).body.count == 1000)
    }

    @Test func aCancelledExchangeEndsOnBothSides() async throws {
        let seen = Happenings<String>()
        let server = try server { _, connection in
            seen.note("begun")
            connection.waitForEnd()
            seen.note("ended")
        }
        defer { server.stop() }
        let task = Task { try await client.send(request("GET", "/", timeout: nil)) }
        #expect(await seen.wait(for: "begun"))
        task.cancel()
        let error = await #expect(throws: TransferError.self) { try await task.value }
        #expect(error?.kind == .cancelled)
        #expect(await seen.wait(for: "ended"))
    }

    /// The cancellation comes before the exchange that it is for, and must not be forgotten.
    @Test(arguments: [false, true]) func whoIsCancelledAlreadyWaitsForNothing(isStream: Bool) async throws {
        let server = try server { _, connection in connection.waitForEnd() }
        defer { server.stop() }
        let (client, request) = (client, request("GET", "/", timeout: nil))
        for _ in 0..<20 {
            let task = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                if isStream { _ = try await client.stream(request) } else { _ = try await client.send(request) }
            }
            let error = await #expect(throws: TransferError.self) { try await task.value }
            #expect(error?.kind == .cancelled)
        }
    }

    /// A client that is dropped ends what is under way.
    @Test func aClosedClientEndsItsTransfers() async throws {
        let seen = Happenings<String>()
        let server = try server { _, connection in
            connection.head(200)
            seen.note("begun")
            connection.waitForEnd()
            seen.note("ended")
        }
        defer { server.stop() }
        var short: HTTPClient? = HTTPClient()
        let stream = try await short?.stream(request("GET", "/", timeout: nil))
        short = nil
        #expect(await seen.wait(for: "ended"))
        let chunks = try #require(stream?.chunks)
        let error = await #expect(throws: TransferError.self) { for try await _ in chunks {} }
        #expect(error?.kind == .cancelled)
    }
}
