import CCurl

/// One exchange under way. Touched by the client's thread only, once it was handed over.
final class Transfer: @unchecked Sendable {
    enum Delivery {
        case whole(CheckedContinuation<HTTPResponse, any Error>)
        case stream(head: CheckedContinuation<HTTPResponse, any Error>?, body: BodyPipe)
    }

    let id: UInt64
    let request: HTTPRequest
    var delivery: Delivery
    private(set) var handle: UnsafeMutableRawPointer?
    private var headerList: UnsafeMutablePointer<curl_slist>?
    private var headers: [(name: String, value: String)] = []
    private var body: [UInt8] = []
    private var tooLarge = false
    private let errorBuffer = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

    init(id: UInt64, request: HTTPRequest, delivery: Delivery) {
        self.id = id
        self.request = request
        self.delivery = delivery
        errorBuffer.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        if let handle { curl_easy_cleanup(handle) }
        curl_slist_free_all(headerList)
        errorBuffer.deallocate()
    }

    /// Makes the easy handle. All options are set from values that curl copies, but for the body, which
    /// COPYPOSTFIELDS copies, and the two pointers to things that live as long as this object.
    func prepare() -> Bool {
        guard let easy = curl_easy_init() else { return false }
        handle = easy
        let me = Unmanaged.passUnretained(self).toOpaque()
        autogit_curl_setopt_string(easy, CURLOPT_URL, request.url)
        autogit_curl_setopt_string(easy, CURLOPT_CUSTOMREQUEST, request.method)
        autogit_curl_setopt_long(easy, CURLOPT_NOSIGNAL, 1)
        // A transfer that ends while its name is being resolved leaves the resolver's thread to end by itself. Otherwise curl
        // waits for it, and with it all other transfers, for as long as a name server takes.
        autogit_curl_setopt_long(easy, CURLOPT_QUICK_EXIT, 1)
        autogit_curl_setopt_string(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        // A redirect is an answer: following it would take tokens to wherever it points.
        autogit_curl_setopt_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        autogit_curl_setopt_long(easy, CURLOPT_CONNECTTIMEOUT_MS, 10_000)
        autogit_curl_setopt_long(easy, CURLOPT_TCP_KEEPALIVE, 1)
        autogit_curl_setopt_pointer(easy, CURLOPT_ERRORBUFFER, errorBuffer)
        autogit_curl_setopt_pointer(easy, CURLOPT_PRIVATE, me)
        if let timeout = request.timeout {
            let ms = timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
            autogit_curl_setopt_long(easy, CURLOPT_TIMEOUT_MS, Int(max(1, ms)))
        }
        if let socket = request.unixSocket {
            autogit_curl_setopt_string(easy, CURLOPT_UNIX_SOCKET_PATH, socket)
            autogit_curl_setopt_string(easy, CURLOPT_NOPROXY, "*")
        }
        if let caFile = request.caFile { autogit_curl_setopt_string(easy, CURLOPT_CAINFO, caFile) }
        if let ours = request.clientCertificate {
            autogit_curl_setopt_string(easy, CURLOPT_SSLCERT, ours.certificate)
            autogit_curl_setopt_string(easy, CURLOPT_SSLKEY, ours.key)
        }
        for (option, text) in [
            (CURLOPT_CAINFO_BLOB, request.pem.authorities), (CURLOPT_SSLCERT_BLOB, request.pem.certificate), (CURLOPT_SSLKEY_BLOB, request.pem.key),
        ] {
            _ = text?.withUnsafeBytes { autogit_curl_setopt_blob(easy, option, $0.baseAddress, $0.count) }
        }
        if let body = request.body {
            autogit_curl_setopt_long(easy, CURLOPT_POSTFIELDSIZE, body.count)
            body.withUnsafeBytes { bytes in
                // An empty body still needs a pointer, or curl reads it from stdin.
                _ = autogit_curl_setopt_pointer(
                    easy, CURLOPT_COPYPOSTFIELDS, bytes.baseAddress ?? UnsafeRawPointer(errorBuffer))
            }
        } else if request.method == "HEAD" {
            autogit_curl_setopt_long(easy, CURLOPT_NOBODY, 1)
        }
        var list: UnsafeMutablePointer<curl_slist>?
        // No waiting for "100 Continue".
        list = curl_slist_append(list, "Expect:")
        for (name, value) in request.headers {
            list = curl_slist_append(list, "\(name): \(value)")
        }
        headerList = list
        autogit_curl_setopt_pointer(easy, CURLOPT_HTTPHEADER, list)
        autogit_curl_setopt_pointer(easy, CURLOPT_HEADERDATA, me)
        autogit_curl_setopt_pointer(easy, CURLOPT_WRITEDATA, me)
        autogit_curl_setopt_callback(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            let length = size * count
            guard let bytes, let context else { return 0 }
            let line = UnsafeRawBufferPointer(start: bytes, count: length)
            Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().received(headerLine: line)
            return length
        }
        autogit_curl_setopt_callback(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            let length = size * count
            guard let bytes, let context else { return 0 }
            let chunk = UnsafeRawBufferPointer(start: bytes, count: length)
            switch Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().received(chunk: chunk) {
            case .taken: return length
            // curl keeps the chunk and offers it again when the transfer is resumed.
            case .full: return Int(CURL_WRITEFUNC_PAUSE)
            // Any other number ends the transfer.
            case .abandoned: return 0
            }
        }
        return true
    }

    private func received(headerLine: UnsafeRawBufferPointer) {
        let line = String(decoding: headerLine, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            headers = []
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].trimmingSpace()
            headers.append((line[..<colon].lowercased(), value))
        } else if line.trimmingSpace().isEmpty {
            announceHead()
        }
    }

    /// A stream's caller gets status and headers as soon as they are there.
    private func announceHead() {
        guard case .stream(let head?, let body) = delivery, status >= 200 else { return }
        head.resume(returning: HTTPResponse(status: status, headers: headers, body: []))
        delivery = .stream(head: nil, body: body)
    }

    private var status: Int {
        var code = 0
        if let handle { autogit_curl_response_code(handle, &code) }
        return code
    }

    private func received(chunk: UnsafeRawBufferPointer) -> BodyPipe.Answer {
        switch delivery {
        case .whole:
            if body.count + chunk.count > request.maxBody {
                tooLarge = true
                return .abandoned
            }
            body.append(contentsOf: chunk)
            return .taken
        case .stream(_, let pipe): return pipe.offer(chunk)
        }
    }

    func finish(_ result: CURLcode) {
        if result == CURLE_OK {
            switch delivery {
            case .whole(let waiter):
                waiter.resume(returning: HTTPResponse(status: status, headers: headers, body: body))
            case .stream(let head, let body):
                head?.resume(returning: HTTPResponse(status: status, headers: headers, body: []))
                body.finish(.success(()))
            }
            return
        }
        let detail = String(cString: errorBuffer)
        let text = detail.isEmpty ? String(cString: curl_easy_strerror(result)) : detail
        let kind: TransferError.Kind =
            switch result {
            case CURLE_OPERATION_TIMEDOUT: .timeout
            case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST, CURLE_GOT_NOTHING, CURLE_RECV_ERROR,
                CURLE_SEND_ERROR:
                .unreachable
            case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE: .tls
            default: tooLarge ? .tooLarge : .other
            }
        fail(TransferError(kind: kind, message: tooLarge ? "the answer is too large" : text))
    }

    func fail(_ error: TransferError) {
        switch delivery {
        case .whole(let waiter): waiter.resume(throwing: error)
        case .stream(let head, let body):
            head?.resume(throwing: error)
            body.finish(.failure(error))
        }
    }
}

extension StringProtocol {
    func trimmingSpace() -> String {
        var part = self[...]
        while let last = part.last, last.isWhitespace { part.removeLast() }
        while let first = part.first, first.isWhitespace { part.removeFirst() }
        return String(part)
    }
}
