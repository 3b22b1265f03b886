import ControlModel

/// The daemon's answers to one reading.
struct TopViews: Equatable, Sendable {
    var status: StatusView
    var jobs: [JobView]
    var pools: [PoolView]
    var runners: [RunnerView]
}

struct TopSize: Equatable, Sendable {
    var columns: Int
    var rows: Int
}
