import Testing

@testable import Fleet

@Suite struct BackoffTests {
    private let now = Scene.start

    @Test func waitsDoubleUpToTheMost() {
        var (backoff, time) = (Backoff(), now)
        let waits = (0..<7).map { _ -> Int64 in
            let began = time
            backoff.failed(.init(first: .seconds(1), most: .seconds(20)), at: began)
            time = backoff.until ?? began
            return (time - began).milliseconds / 1000
        }
        #expect(waits == [1, 2, 4, 8, 16, 20, 20] && backoff.failures == 7)
    }

    /// Ten launches were under way when the registry went away.
    @Test func failuresThatWereUnderWayTogetherAreOne() {
        var backoff = Backoff()
        for _ in 0..<10 { backoff.failed(.launch, at: now) }
        #expect(backoff.failures == 1 && backoff.until == now + .seconds(1))
        backoff.failed(.launch, at: now, atLeast: .seconds(40))
        #expect(backoff.failures == 1 && backoff.until == now + .seconds(40), "the other side's wish counts, whichever call it came with")
    }

    @Test func jitterSpreadsTheUpperHalfAndRetryAfterIsTheLeast() {
        var backoff = Backoff()
        backoff.failed(.launch, at: now, jitter: 0)
        #expect(backoff.until == now + .milliseconds(500))
        let later = now + .seconds(10)
        backoff.failed(.launch, at: later, jitter: 1, atLeast: .seconds(30))
        #expect(backoff.until == later + .seconds(30))
        #expect(backoff.isWaiting(at: later + .seconds(29)) && !backoff.isWaiting(at: later + .seconds(30)))
        backoff.succeeded()
        #expect(backoff == Backoff())
    }

    /// A thousand failures neither trap nor wait for ever.
    @Test func manyFailuresDoNotOverflow() {
        var backoff = Backoff()
        var time = now
        for _ in 0..<1000 {
            time = backoff.until ?? time
            backoff.failed(.refusal, at: time)
        }
        #expect(backoff.failures == 1000 && backoff.until == time + .seconds(3600))
    }
}
