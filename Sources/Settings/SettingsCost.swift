import Fleet
import JSONSchema

extension SettingsSchema {
    /// Prices, for reports.
    static let cost = Section(
        name: "cost",
        keys: [
            .string("currency", \.cost.currency, "what the prices are in") { (1...8).contains($0.count) ? nil : "expected 1 to 8 characters, for example EUR" },
            .price("per_cpu_hour", \.cost.perCPUHour, example: 0.01, "for an hour of CPU time of a job"),
            .price("per_runner_hour", \.cost.perRunnerHour, example: 0.002, "for an hour that a runner is there"),
            .price("per_kwh", \.cost.perKWh, example: 0.35, "for a kilowatt-hour, with watts_idle and watts_busy"),
            .price("watts_idle", \.cost.wattsIdle, example: 0.5, "what a runner without a job adds to the machine's power, in watts"),
            .price("watts_busy", \.cost.wattsBusy, example: 15, "the same while it has a job"),
        ])
}

extension SettingKey {
    /// From 0 to 100,000, a fraction allowed.
    static func price(_ name: String, _ place: Place<Target, Double?>, example: Double, _ summary: String) -> Self {
        Self(
            name, summary, .number().from(0, to: 100_000), example: .number(example),
            read: { reader, section, target in
                if let value = reader.number(section, name, in: 0...100_000) { target[keyPath: place] = value }
            },
            show: { $0[keyPath: place].map(SettingValue.number) ?? .none })
    }
}
