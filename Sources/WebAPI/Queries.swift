import Hummingbird

/// What is asked for after the question mark. What can't be understood is a problem, and never taken for something else.
extension Parameters {
    /// - Throws: a problem for anything but `true` and `false`.
    func flag(_ name: Substring, or usual: Bool) throws -> Bool {
        switch self[name] {
        case nil: usual
        case "true": true
        case "false": false
        case .some: throw ProblemError(.badRequest, "\(name) must be true or false")
        }
    }

    /// - Throws: a problem for anything but an integer in the range.
    func number(_ name: Substring, in range: ClosedRange<Int>, or usual: Int) throws -> Int {
        guard let text = self[name] else { return usual }
        guard let number = Int(text), range.contains(number) else {
            throw ProblemError(.badRequest, "\(name) must be from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }
}

/// Bounds of parameters.
enum APIBounds {
    /// Lines of a log in one answer.
    static let logLines = 0...100_000
    /// Of a report.
    static let days = 1...366
    /// Seconds.
    static let evacuation: ClosedRange<Int> = 1...600
}
