import Fleet
import FoundationEssentials
import HTTPTransfer

/// How one try of a delivery went. The reasons are for people, and have no secret in them.
public enum DeliveryOutcome: Sendable, Equatable {
    case delivered
    /// It is tried again, not before the time that the other side asked for.
    case failed(String, retryAfter: Duration? = nil)
    /// Trying this one again would change nothing.
    case refused(String)
}

/// Takes notifications to their targets.
public protocol Carrier: Sendable {
    /// One try, within the target's time-out.
    func carry(_ notification: Notification, from sender: Sender, to target: NotifyTarget) async -> DeliveryOutcome
}

/// Starts a program outside of the daemon's sandbox, as the service's user.
public protocol CommandRunner: Sendable {
    /// Returns when it has ended, or was ended after `timeout`.
    /// - Parameters:
    ///   - command: the program and its arguments, taken as they are.
    ///   - input: its standard input.
    ///   - id: of letters, digits and hyphens, for its name.
    func run(_ command: [String], input: [UInt8], environment: [String: String], timeout: Duration, id: String) async -> DeliveryOutcome
}

/// Each kind of target in its own way.
public struct Carriers: Carrier {
    private let http: HTTPClient
    private let commands: any CommandRunner
    /// By the calendar, which receivers compare it with.
    private let seconds: @Sendable () -> Int64

    /// - Parameter seconds: since 1970.
    public init(http: HTTPClient, commands: any CommandRunner, seconds: @escaping @Sendable () -> Int64 = { Int64(Date().timeIntervalSince1970) }) {
        self.http = http
        self.commands = commands
        self.seconds = seconds
    }

    public func carry(_ notification: Notification, from sender: Sender, to target: NotifyTarget) async -> DeliveryOutcome {
        switch target.kind {
        case .ntfy:
            let letter = NtfyLetter(notification, from: sender, token: target.token)
            return await post(letter.body, letter.headers, to: target)
        case .webhook:
            let body = JSONLetter(notification, from: sender, sentAt: seconds()).bytes()
            guard let headers = Self.headers(ofWebhook: body, id: notification.id, to: target) else {
                return .failed("this system's libcrypto has no HMAC with SHA-256, so it can't be signed")
            }
            return await post(body, headers, to: target)
        case .command:
            let letter = JSONLetter(notification, from: sender, sentAt: seconds())
            return await commands.run(
                target.command, input: letter.bytes() + Array("\n".utf8), environment: letter.environment, timeout: target.timeout, id: notification.id)
        }
    }

    /// nil when it can't be signed.
    static func headers(ofWebhook body: [UInt8], id: String, to target: NotifyTarget) -> [(name: String, value: String)]? {
        var headers = [("Content-Type", "application/json"), ("X-AutoGit-Delivery", id)]
        if let secret = target.secret {
            guard let signature = Signature.header(body, secret: secret) else { return nil }
            headers.append(("X-AutoGit-Signature", signature))
        }
        if let token = target.token { headers.append(("Authorization", "Bearer \(token.reveal())")) }
        return headers
    }

    private func post(_ body: [UInt8], _ headers: [(name: String, value: String)], to target: NotifyTarget) async -> DeliveryOutcome {
        guard let url = target.url else { return .refused("it has no url") }
        let request = HTTPRequest(
            "POST", url.reveal(), headers: [("User-Agent", "AutoGit")] + headers, body: body, caFile: target.caFile, timeout: target.timeout, maxBody: 1 << 20)
        do {
            return Self.judge(try await http.send(request))
        } catch {
            return .failed(Self.words(for: error, url: url))
        }
    }

    /// The longest time that a target may ask for.
    static let longestRetry = Duration.seconds(3600)

    /// Only the status counts: an answer's body may repeat what was sent, and with it a topic.
    static func judge(_ answer: HTTPResponse) -> DeliveryOutcome {
        if answer.isSuccess { return .delivered }
        let after = answer.header("retry-after").flatMap { Int64($0) }.map { min(longestRetry, .seconds(max(0, $0))) }
        switch answer.status {
        case 300..<400: return .failed("it answers \(answer.status), a redirect, which is not followed: is url right?")
        case 401, 403: return .failed("it answers \(answer.status): is token_file right?", retryAfter: after)
        case 404, 405: return .failed("it answers \(answer.status): is url right?", retryAfter: after)
        case 408, 425, 429: return .failed("it answers \(answer.status)", retryAfter: after)
        case 400..<500: return .refused("it answers \(answer.status)")
        default: return .failed("it answers \(answer.status)", retryAfter: after)
        }
    }

    /// curl's own words have a host in them at most; should one of them ever have more, they are left out.
    static func words(for error: any Error, url: Secret) -> String {
        guard let error = error as? TransferError else { return "it can't be asked" }
        let rest = url.reveal().split(separator: "/", maxSplits: 3, omittingEmptySubsequences: false).dropFirst(3).first ?? ""
        let parts = rest.split { "/?#&=".contains($0) }.filter { $0.count > 2 }
        return parts.contains { error.message.contains($0) } ? "the exchange failed (\(error.kind))" : error.message
    }
}
