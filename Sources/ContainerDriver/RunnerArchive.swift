import Fleet
import RunnerConfiguration

/// A runner's files as the archive that is put into its container.
struct RunnerArchive {
    private let spec: RunnerSpec
    private let credentials: RunnerCredentials
    /// The user that reads them.
    private let owner: ContainerUser
    /// The path of the engine's socket in the container; nil where it has none.
    var engineSocket: String?
    /// The GPUs of its jobs' containers.
    var gpus = RunnerSurroundings.JobGPUs()
    /// Docker's config.json with the logins for registries; nil where there are none.
    var dockerConfiguration: String?

    init(_ spec: RunnerSpec, _ credentials: RunnerCredentials, owner: ContainerUser = .root) {
        self.spec = spec
        self.credentials = credentials
        self.owner = owner
    }

    var bytes: [UInt8] {
        var tar = Tar(owner: owner)
        let directory = String(RunnerFiles.directory.dropFirst())
        tar.directory(directory, mode: 0o700)
        let place = RunnerSurroundings(engineSocket: engineSocket, gpus: gpus)
        for file in RunnerFiles.contents(for: spec, credentials, in: place) { tar.file("\(directory)/\(file.name)", mode: 0o600, file.content) }
        if let dockerConfiguration {
            // In the home that the container's environment names. gitlab-runner looks here for the images of jobs, which can't see it.
            tar.directory("root/.docker", mode: 0o700)
            tar.file("root/.docker/config.json", mode: 0o600, dockerConfiguration)
        }
        return tar.finished()
    }
}
