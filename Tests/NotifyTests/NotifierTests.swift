import Fleet
import Foundation
import HTTPTransfer
import Logging
import Synchronization
import TestBench
import Testing

@testable import Notify

@Suite struct NotifierTests {
    /// Whoever sleeps does so until the task is cancelled.
    private struct StillClock: WallClock {
        func now() -> Timestamp { DeskTests.start }
        func sleep(for time: Duration) async throws { try await Task.sleep(for: .seconds(3600)) }
    }

    /// Keeps what it is given.
    private final class Store: Sendable {
        let bytes = Mutex<[UInt8]>([])
        var memory: Notifier.Memory { .init(load: { nil }, save: { bytes in self.bytes.withLock { $0 = bytes } }) }
    }

    /// Takes what is told, and gives the answers that a test wants, the last one for ever.
    private final class ScriptedCarrier: Carrier {
        private let state: Mutex<(answers: [DeliveryOutcome], got: [String])>
        private let (taken, out) = AsyncStream.makeStream(of: String.self)

        init(_ answers: [DeliveryOutcome]) { state = Mutex((answers, [])) }

        func carry(_ notification: Notify.Notification, from sender: Sender, to target: NotifyTarget) async -> DeliveryOutcome {
            let answer = state.withLock { state in
                state.got.append("\(target.name): \(notification.title)")
                return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
            }
            out.yield("\(target.name): \(notification.title)")
            return answer
        }

        /// The next so many tries.
        func next(_ count: Int) async -> [String] {
            var found: [String] = []
            guard count > 0 else { return found }
            for await one in taken {
                found.append(one)
                if found.count == count { break }
            }
            return found
        }
    }

    private static let away = DeskTests.concern(.engine, "container")
    private static let full = DeskTests.concern(.disk, "container")

    private static func target(_ name: String = "t", _ change: (inout NotifyTarget) -> Void = { _ in }) -> NotifyTarget {
        var target = NotifyTarget(name: name, kind: .webhook)
        target.settle = .zero
        target.url = Secret("http://h/\(name)-s3cret")
        change(&target)
        return target
    }

    private static func notifier(
        _ targets: [NotifyTarget], _ carrier: any Carrier, clock: any WallClock = LeapingClock(at: DeskTests.start), memory: Notifier.Memory = .none,
        lines: LogBook = LogBook()
    ) async -> Notifier {
        let notifier = Notifier(targets, from: LetterTests.sender, by: carrier, memory: memory, clock: clock, log: lines.logger)
        await notifier.begin(page: nil)
        return notifier
    }

    @Test func eachTargetIsToldInOrder() async {
        let carrier = ScriptedCarrier([.delivered])
        let notifier = await Self.notifier([Self.target()], carrier)
        _ = await notifier.consider([Self.away, Self.full], at: DeskTests.start)
        _ = await notifier.consider([Self.full], at: DeskTests.start + .seconds(1))
        #expect(await carrier.next(3) == ["t: engine container", "t: disk container", "t: end of engine container"])
    }

    /// It is tried again at growing intervals, in order, and the journal says twice what there is to say.
    @Test func whatFailsIsTriedAgainAndToldOnce() async {
        let (clock, lines) = (LeapingClock(at: DeskTests.start), LogBook())
        let failures = Array(repeating: DeliveryOutcome.failed("it answers 500"), count: 12)
        let carrier = ScriptedCarrier(failures + [.delivered])
        let notifier = await Self.notifier([Self.target()], carrier, clock: clock, lines: lines)
        _ = await notifier.consider([Self.away, Self.full], at: clock.now())
        #expect(await carrier.next(14) == Array(repeating: "t: engine container", count: 13) + ["t: disk container"])
        let waits = clock.sleeps.all
        #expect(waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600].map { .seconds($0) })
        let told = lines.lines.map { "\($0)" }
        #expect(told.count == 2 && told[0].hasPrefix("warning") && told[0].contains("it answers 500") && told[1].hasPrefix("notice"), "\(told)")
        #expect(lines.lines.allSatisfy { $0.fields["to"] == "http://h" } && !told.contains { $0.contains("s3cret") }, "\(told)")
    }

    @Test func theOtherSideMayAskForMoreTime() async {
        let clock = LeapingClock(at: DeskTests.start)
        let carrier = ScriptedCarrier([.failed("it answers 429", retryAfter: .seconds(77)), .delivered])
        let notifier = await Self.notifier([Self.target()], carrier, clock: clock)
        _ = await notifier.consider([Self.away], at: clock.now())
        #expect(await carrier.next(2).count == 2 && clock.sleeps.all == [.seconds(77)])
    }

    @Test func whatIsRefusedHoldsUpNothing() async {
        let lines = LogBook()
        let carrier = ScriptedCarrier([.refused("it answers 400"), .delivered])
        let notifier = await Self.notifier([Self.target()], carrier, lines: lines)
        _ = await notifier.consider([Self.away, Self.full], at: DeskTests.start)
        #expect(await carrier.next(2) == ["t: engine container", "t: disk container"])
    }

    @Test func aReloadLosesNothingAndTellsNothingTwice() async {
        /// Nothing gets anywhere before the reload.
        struct Gate: Carrier {
            let inner: ScriptedCarrier
            func carry(_ notification: Notify.Notification, from sender: Sender, to target: NotifyTarget) async -> DeliveryOutcome {
                target.timeout == .seconds(30) ? .failed("away", retryAfter: .seconds(3000)) : await inner.carry(notification, from: sender, to: target)
            }
        }
        let carrier = ScriptedCarrier([.delivered])
        let notifier = await Self.notifier([Self.target("old"), Self.target("gone")], Gate(inner: carrier), clock: StillClock())
        _ = await notifier.consider([Self.away], at: DeskTests.start)
        // Another name for the same address, and one more target.
        var renamed = Self.target("old") { $0.timeout = .seconds(5) }
        renamed.name = "new"
        await notifier.replace([renamed, Self.target("more") { $0.timeout = .seconds(5) }])
        #expect(await carrier.next(1) == ["new: engine container"])
        _ = await notifier.consider([Self.away], at: DeskTests.start + .seconds(1))
        #expect(await carrier.next(1) == ["more: engine container"])
        _ = await notifier.consider([], at: DeskTests.start + .seconds(2))
        #expect(Set(await carrier.next(2)) == ["new: end of engine container", "more: end of engine container"])
    }

    /// What a notifier kept that could not tell that the engine is away.
    private static func kept() async -> [UInt8] {
        let store = Store()
        let carrier = ScriptedCarrier([.failed("away", retryAfter: .seconds(60))])
        let notifier = await notifier([target()], carrier, clock: StillClock(), memory: store.memory)
        _ = await notifier.consider([away], at: DeskTests.start)
        #expect(await carrier.next(1) == ["t: engine container"])
        await notifier.end()
        return store.bytes.withLock { $0 }
    }

    @Test func aRestartGoesOnWithWhatWaits() async {
        let kept = await Self.kept()
        #expect(!String(decoding: kept, as: UTF8.self).contains("s3cret"))
        let carrier = ScriptedCarrier([.delivered])
        let notifier = await Self.notifier([Self.target()], carrier, memory: .init(load: { kept }, save: { _ in }))
        #expect(await carrier.next(1) == ["t: engine container"])
        _ = await notifier.consider([Self.away, Self.full], at: DeskTests.start + .seconds(1))
        #expect(await carrier.next(1) == ["t: disk container"])
    }

    /// Nobody wants to hear of it any more.
    @Test func nothingIsTriedForMoreThanADay() async {
        let (kept, clock, carrier) = (await Self.kept(), LeapingClock(at: DeskTests.start), ScriptedCarrier([.delivered]))
        clock.advance(by: .seconds(86_401))
        let notifier = await Self.notifier([Self.target()], carrier, clock: clock, memory: .init(load: { kept }, save: { _ in }))
        _ = await notifier.consider([Self.away, Self.full], at: clock.now())
        #expect(await carrier.next(1) == ["t: disk container"])
    }

    @Test func oneThatIsAwayForLongKeepsTheNewest() async {
        let clock = LeapingClock(at: DeskTests.start)
        struct Never: Carrier {
            func carry(_ notification: Notify.Notification, from sender: Sender, to target: NotifyTarget) async -> DeliveryOutcome {
                try? await Task.sleep(for: .seconds(3600))
                return .delivered
            }
        }
        let store = Store()
        let notifier = await Self.notifier([Self.target { $0.rate = .init(count: 1000, span: .seconds(60)) }], Never(), clock: clock, memory: store.memory)
        for number in 0..<150 { _ = await notifier.consider([DeskTests.concern(.stuck, "\(number)")], at: clock.now()) }
        await notifier.end()
        struct Kept: Decodable { var waiting: [Notify.Notification] }
        let kept = try? JSONDecoder().decode([String: Kept].self, from: Data(store.bytes.withLock { $0 }))
        #expect(kept?["t"]?.waiting.count == Notifier.mostWaiting && kept?["t"]?.waiting.last?.title == "end of stuck 148")
    }

    @Test func aTestTellsHowEachTargetTookIt() async {
        struct ByName: Carrier {
            func carry(_ notification: Notify.Notification, from sender: Sender, to target: NotifyTarget) async -> DeliveryOutcome {
                target.name == "good" && notification.kind == "test" ? .delivered : .failed("away")
            }
        }
        let notifier = await Self.notifier([Self.target("good"), Self.target("bad")], ByName())
        #expect(await notifier.test(nil)?.map(\.outcome) == [.delivered, .failed("away")])
        #expect(await notifier.test("bad")?.map(\.target.name) == ["bad"])
        #expect(await notifier.test("none") == nil)
    }

    // MARK: Over HTTP

    private final class Receiver: Sendable {
        let requests = Mutex<[BareServer.Request]>([])
    }

    private struct NoCommands: CommandRunner {
        func run(_ command: [String], input: [UInt8], environment: [String: String], timeout: Duration, id: String) async -> DeliveryOutcome {
            .refused("none")
        }
    }

    /// A server that refuses twice gets it a third time: the same delivery, signed anew with the time of that try.
    @Test func aWebhookIsSignedAndRepeated() async throws {
        let (receiver, clock) = (Receiver(), LeapingClock(at: DeskTests.start))
        let (got, out) = AsyncStream.makeStream(of: Void.self)
        let server = try BareServer(onPortWith: { request, connection in
            let count = receiver.requests.withLock { requests in
                requests.append(request)
                return requests.count
            }
            connection.answer(count < 3 ? 503 : 204)
            if count == 3 { out.yield() }
        })
        defer { server.stop() }
        let carriers = Carriers(http: HTTPClient(), commands: NoCommands(), seconds: { clock.now().milliseconds / 1000 })
        let target = Self.target { target in
            target.url = Secret("http://127.0.0.1:\(server.port)/hook/s3cret?a=b")
            (target.secret, target.token) = (Secret("key"), Secret("tk"))
        }
        let notifier = await Self.notifier([target], carriers, clock: clock)
        _ = await notifier.consider([Self.away], at: clock.now())
        for await _ in got { break }
        let requests = receiver.requests.withLock { $0 }
        var deliveries: Set<String> = []
        var times: [Int64] = []
        for request in requests {
            #expect(request.method == "POST" && request.target == "/hook/s3cret?a=b" && request.headers["content-type"] == "application/json")
            #expect(request.headers["authorization"] == "Bearer tk")
            let code = try #require(Signature.hmac(request.body, key: Array("key".utf8)))
            #expect(request.headers["x-autogit-signature"] == "sha256=\(Signature.hex(code))")
            struct Body: Decodable {
                var delivery, kind, state, title, host, version: String
                var sent_at: Int64
            }
            let body = try JSONDecoder().decode(Body.self, from: Data(request.body))
            #expect(body.kind == "engine" && body.state == "begun" && body.title == "engine container" && body.host == "nas" && body.version == "1.2.3")
            #expect(request.headers["x-autogit-delivery"] == body.delivery)
            deliveries.insert(body.delivery)
            times.append(body.sent_at)
        }
        #expect(deliveries.count == 1 && times == [1_764_000_000, 1_764_000_002, 1_764_000_006])
    }

    @Test func ntfyIsAskedAsItsAPIWantsIt() async throws {
        let receiver = Receiver()
        let server = try BareServer(onPortWith: { request, connection in
            receiver.requests.withLock { $0.append(request) }
            connection.answer(200, "{}")
        })
        defer { server.stop() }
        let target = Self.target { ($0.kind, $0.url) = (.ntfy, Secret("http://127.0.0.1:\(server.port)/topic-s3cret")) }
        let carriers = Carriers(http: HTTPClient(), commands: NoCommands())
        #expect(await carriers.carry(LetterTests.notification("läuft"), from: LetterTests.sender, to: target) == .delivered)
        let request = try #require(receiver.requests.withLock { $0.first })
        #expect(request.target == "/topic-s3cret" && request.body == Array("why".utf8) && request.headers["title"] == "=?UTF-8?B?bmFzOiBsw6R1ZnQ=?=")
    }

    /// A redirect would take the topic to wherever it points.
    @Test func aRedirectIsNotFollowedAndAServerThatIsAwaySaysNoSecret() async throws {
        let server = try BareServer(onPortWith: { _, connection in connection.answer(302, "topic-s3cret", headers: ["Location: http://127.0.0.1:1/"]) })
        let carriers = Carriers(http: HTTPClient(), commands: NoCommands())
        let target = Self.target { $0.url = Secret("http://127.0.0.1:\(server.port)/topic-s3cret") }
        let redirected = await carriers.carry(LetterTests.notification(), from: LetterTests.sender, to: target)
        server.stop()
        let away = await carriers.carry(LetterTests.notification(), from: LetterTests.sender, to: target)
        for outcome in [redirected, away] {
            guard case .failed(let why, _) = outcome else {
                Issue.record("\(outcome)")
                continue
            }
            #expect(!why.contains("s3cret"), "\(why)")
        }
    }
}
