import Fleet
import RunnerConfiguration

/// A runner's files as the archive that is put into its container.
enum RunnerArchive {
    /// - Parameters:
    ///   - owner: the user that reads them.
    ///   - engineSocket: its path in the container.
    static func bytes(for spec: RunnerSpec, _ credentials: RunnerCredentials, owner: ContainerUser = .root, engineSocket: String) -> [UInt8] {
        var tar = Tar(owner: owner)
        let directory = String(RunnerFiles.directory.dropFirst())
        tar.directory(directory, mode: 0o700)
        let place = RunnerSurroundings(engineSocket: engineSocket)
        for file in RunnerFiles.contents(for: spec, credentials, in: place) { tar.file("\(directory)/\(file.name)", mode: 0o600, file.content) }
        return tar.finished()
    }
}
