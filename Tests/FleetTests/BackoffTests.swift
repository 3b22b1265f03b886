import Testing

@testable import Fleet

@Suite struct BackoffTests {
    private let now = Scene.start

    @Test func waitsDoubleUpToTheMost() {
        var backoff = Backoff()
        let waits = (0..<7).map { _ -> Int64 in
            backoff.failed(.init(first: .seconds(1), most: .seconds(20)), at: now)
            return ((backoff.until ?? now) - now).milliseconds / 1000
        }
        #expect(waits == [1, 2, 4, 8, 16, 20, 20] && backoff.failures == 7)
    }

    @Test func jitterSpreadsTheUpperHalfAndRetryAfterIsTheLeast() {
        var backoff = Backoff()
        backoff.failed(.launch, at: now, jitter: 0)
        #expect(backoff.until == now + .milliseconds(500))
        backoff.failed(.launch, at: now, jitter: 1, atLeast: .seconds(30))
        #expect(backoff.until == now + .seconds(30))
        #expect(backoff.isWaiting(at: now + .seconds(29)) && !backoff.isWaiting(at: now + .seconds(30)))
        backoff.succeeded()
        #expect(backoff == Backoff())
    }

    /// A thousand failures neither trap nor wait for ever.
    @Test func manyFailuresDoNotOverflow() {
        var backoff = Backoff()
        for _ in 0..<1000 { backoff.failed(.refusal, at: now) }
        #expect(backoff.until == now + .seconds(3600))
    }
}
