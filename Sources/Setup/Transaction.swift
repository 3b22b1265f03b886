import HostTools

/// One change of the machine.
public enum Change: Sendable, Equatable {
    /// A whole file; nil for the owner is root.
    case write(String, content: String, mode: UInt32, owner: UInt32? = nil)
    case remove(String)
    /// A program; and the one that undoes it, where there is such.
    case run([String], undo: [String]? = nil)
    /// Nothing now; a program when everything that follows has been undone.
    case whenUndone([String])

    /// The service goes on with the files of before, once they are back.
    public static let serviceWhenUndone = Change.whenUndone(["sh", "-c", "systemctl daemon-reload; systemctl try-restart autogit.service"])
}

/// Changes that are all made, or undone in the reverse order.
public struct Transaction: Sendable {
    private enum Undo: Sendable {
        case restore(String, FileLook)
        case run([String])
    }

    private let workshop: any Workshop
    private var undo: [Undo] = []

    public init(_ workshop: any Workshop) { self.workshop = workshop }

    /// Whether there is nothing to undo.
    public var isEmpty: Bool { undo.isEmpty }

    /// - Throws: `WorkshopError`; the change was not made then, and those before it stay until `undoAll`.
    public mutating func apply(_ change: Change) async throws(WorkshopError) {
        switch change {
        case .write(let path, let content, let mode, let owner):
            let before = workshop.file(path)
            // It could not be brought back.
            if case .unreadable(let reason) = before { throw WorkshopError("\(path): \(reason)") }
            try workshop.write(path, content, mode: mode, owner: owner)
            undo.append(.restore(path, before))
        case .remove(let path):
            let before = workshop.file(path)
            if case .unreadable(let reason) = before { throw WorkshopError("\(path): \(reason)") }
            try workshop.remove(path)
            undo.append(.restore(path, before))
        case .run(let words, let opposite):
            switch await workshop.run(words, input: nil, limit: .seconds(120)) {
            case .ended(0, _, _): break
            case .ended(let code, let output, let errors):
                let said = (errors.isEmpty ? output : errors).trimmed
                throw WorkshopError("\(words.joined(separator: " ")) failed (\(code))\(said.isEmpty ? "" : ": \(said)")")
            case .missing: throw WorkshopError("\(words[0]) is not installed")
            case .failed(let reason): throw WorkshopError("\(words.joined(separator: " ")) \(reason)")
            }
            if let opposite { undo.append(.run(opposite)) }
        case .whenUndone(let words): undo.append(.run(words))
        }
    }

    /// Makes undone what was done, as far as it can be.
    /// - Returns: what could not, in words.
    public mutating func undoAll() async -> [String] {
        var failures: [String] = []
        while let last = undo.popLast() {
            switch last {
            case .run(let words):
                guard case .ended(0, _, _) = await workshop.run(words, input: nil, limit: .seconds(120)) else {
                    failures.append("\(words.joined(separator: " ")) failed")
                    continue
                }
            case .restore(let path, let before):
                do throws(WorkshopError) {
                    if case .text(let text, let mode, let owner) = before {
                        try workshop.write(path, text, mode: mode, owner: owner)
                    } else {
                        try workshop.remove(path)
                    }
                } catch {
                    failures.append(error.description)
                }
            }
        }
        return failures
    }
}
