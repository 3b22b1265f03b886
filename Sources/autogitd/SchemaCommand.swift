import ArgumentParser
import Settings

/// `autogitctl schema`.
struct SchemaCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print a JSON schema of the configuration file.", shouldDisplay: false)

    func run() throws { print(SettingsSchema.editorSchema.lines) }
}
