/// Is told of what happens to the fleet, by the control loop and on its time: it must not wait.
public protocol FleetAudience: Sendable {
    /// - Parameters:
    ///   - events: in their order.
    ///   - state: after all of them.
    func happened(_ events: [FleetEvent], in state: FleetState)
    /// A plan was made.
    func planned(within time: Duration)
}
