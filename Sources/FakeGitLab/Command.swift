import Glibc
import Subprocess
import SystemPackage

/// Runs a program to its end.
public enum Command {
    /// A program ended with an error.
    public struct Failed: Error, CustomStringConvertible {
        /// The command and its words.
        public var description: String
        /// - Parameter description: the command and its words.
        public init(description: String) { self.description = description }
    }

    /// Returns when the program has ended, whoever still has its descriptors. A cancellation kills it.
    /// - Parameters:
    ///   - program: a path, or a name in `PATH`.
    ///   - input: what it may read, and need not.
    ///   - environment: added to our own.
    /// - Returns: its standard output.
    /// - Throws: `Failed`, with its standard error, when it ends in any other way than with 0; `SubprocessError` when it can't be started.
    @discardableResult
    public static func run(
        _ program: String, _ arguments: [String], input: [UInt8] = [], environment: [String: String] = [:]
    ) async throws -> [UInt8] {
        _ = ignoresBrokenPipes
        let done = try await Subprocess.run(
            program.contains("/") ? .path(FilePath(program)) : .name(program), arguments: Arguments(arguments), environment: .ours(with: environment),
            input: .inputWriter, output: .bytes(limit: .max), error: .string(limit: .max)
        ) { execution in
            // A program that ends before it has read everything says why in its own words.
            _ = try? await execution.standardInputWriter.write(input)
        }
        guard done.terminationStatus.isSuccess else {
            throw Failed(description: "\(program) \(arguments.prefix(2).joined(separator: " ")) \(done.terminationStatus): \(done.standardError)")
        }
        return done.standardOutput
    }

    /// To write to a program that has ended is an error like any other, not the end of this process (signal(7)). NIO does the same.
    private static let ignoresBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()
}

extension Environment {
    /// Our own environment, with more variables or other values.
    static func ours(with more: [String: String]) -> Environment {
        .inherit.updating(Dictionary(more.compactMap { name, value in Environment.Key(rawValue: name).map { ($0, value) } }) { $1 })
    }
}
