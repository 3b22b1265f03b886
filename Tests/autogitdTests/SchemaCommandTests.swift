import Settings
import TestBench
import Testing

@Suite struct SchemaCommandTests {
    /// By the client, which hands over to the daemon's program.
    @Test func theSchemaOfTheConfigurationIsPrinted() async throws {
        let ran = try await run(product("autogitctl"), ["schema"])
        #expect(ran.exited && ran.code == 0 && ran.out == SettingsSchema.editorSchema.lines + "\n", "\(ran.out.prefix(300))")
    }
}
