import Fleet

/// A runner's files as the archive that is put into its container.
enum RunnerArchive {
    static func bytes(for spec: RunnerSpec, _ credentials: RunnerCredentials) -> [UInt8] {
        var tar = Tar()
        let directory = String(RunnerFiles.directory.dropFirst())
        tar.directory(directory, mode: 0o700)
        for file in RunnerFiles.contents(for: spec, credentials) { tar.file("\(directory)/\(file.name)", mode: 0o600, file.content) }
        return tar.finished()
    }
}
