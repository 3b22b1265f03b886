import Fleet
import RunnerConfiguration

/// A runner's files as the archive that is put into its container.
enum RunnerArchive {
    /// - Parameter owner: the user that reads them.
    static func bytes(for spec: RunnerSpec, _ credentials: RunnerCredentials, owner: ContainerUser = .root) -> [UInt8] {
        var tar = Tar(owner: owner)
        let directory = String(RunnerFiles.directory.dropFirst())
        tar.directory(directory, mode: 0o700)
        let place = RunnerSurroundings(engineSocket: ContainerSpec.engineSocket)
        for file in RunnerFiles.contents(for: spec, credentials, in: place) { tar.file("\(directory)/\(file.name)", mode: 0o600, file.content) }
        return tar.finished()
    }
}
