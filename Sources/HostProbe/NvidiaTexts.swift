/// A line of `nvidia-smi --query-gpu=index,uuid,name,memory.total,pci.bus_id --format=csv,noheader,nounits`
/// (nvidia-smi's manual, "--query-gpu").
struct NvidiaRow: Equatable {
    static let query = ["--query-gpu=index,uuid,name,memory.total,pci.bus_id", "--format=csv,noheader,nounits"]

    var index: Int
    var uuid: String
    var name: String
    /// Bytes; nil where the driver doesn't tell.
    var memory: Int64?
    var pci: String?

    /// nil for a line that tells of no GPU that works.
    init?(_ line: Substring) {
        let fields = line.split(separator: ",", omittingEmptySubsequences: false).map(\.trimmed)
        guard fields.count >= 5, let index = Int(fields[0]), index >= 0, fields[1].hasPrefix("GPU-"), fields[1].utf8.count <= 64 else { return nil }
        self.index = index
        uuid = String(fields[1])
        // Only a name could have commas.
        let named = fields[2..<(fields.count - 2)].joined(separator: ", ")
        name = named.isEmpty || named.hasPrefix("[") ? "NVIDIA GPU" : named
        memory = Int64(fields[fields.count - 2]).flatMap { mebibytes in
            let (bytes, overflow) = mebibytes.multipliedReportingOverflow(by: 1 << 20)
            return overflow || bytes <= 0 ? nil : bytes
        }
        pci = PCIAddress.find(in: fields[fields.count - 1])
    }

    /// The GPUs that an output lists, and a remark for each line that says something else.
    static func all(_ output: String, remarks: inout [String]) -> [NvidiaRow] {
        var rows: [NvidiaRow] = []
        for line in output.split(whereSeparator: \.isNewline) where !line.trimmed.isEmpty {
            if let row = NvidiaRow(line) {
                rows.append(row)
            } else {
                remarks.append("nvidia-smi says: \(line.trimmed)")
            }
        }
        return rows
    }
}

/// /proc/driver/nvidia/gpus/ADDRESS/information, which the driver writes as lines of `Key: value` (its README, "The /proc interface").
struct NvidiaInformation: Equatable {
    var pci: String?
    /// nil until the driver has started the GPU, which it does when somebody first uses it.
    var uuid: String?
    var name: String?
    /// The N of /dev/nvidiaN.
    var minor: Int?
    /// The driver was told to leave it alone.
    var isExcluded = false

    init(folder: String, _ text: String) {
        pci = PCIAddress.find(in: folder[...])
        for line in text.split(whereSeparator: \.isNewline) {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].trimmed
            switch line[..<colon].trimmed {
            case "Model" where !value.isEmpty: name = String(value)
            case "GPU UUID" where value.hasPrefix("GPU-") && !value.contains("?"): uuid = String(value)
            case "Device Minor": minor = Int(value).flatMap { (0...255).contains($0) ? $0 : nil }
            case "Bus Location": pci = PCIAddress.find(in: value) ?? pci
            case "GPU Excluded": isExcluded = value == "Yes"
            default: break
            }
        }
    }
}
