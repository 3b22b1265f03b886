import Fleet

/// Waiting for the state to be as it is wanted, with a bound.
extension Coordinator {
    /// - Returns: whether it holds; false when the time is over.
    func wait(until condition: @escaping @Sendable (FleetState) -> Bool, within time: Duration) async -> Bool {
        if condition(state) { return true }
        await pause(atMost: time) { waiters.append((condition, $0)) }
        return condition(state)
    }

    /// Waits until the waiter that `arrange` is given is resumed, or until the time is over.
    func pause(atMost time: Duration, arrange: (Waiter) -> Void) async {
        let waiter = Waiter(nil)
        let alarm = Task {
            try? await clock.sleep(for: time)
            self.giveUp(waiter)
        }
        await withCheckedContinuation {
            waiter.continuation = $0
            arrange(waiter)
        }
        alarm.cancel()
    }

    private func giveUp(_ waiter: Waiter) {
        waiters.removeAll { $0.waiter === waiter }
        waiter.resume()
    }
}
