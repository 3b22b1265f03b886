/// Addresses on the PCI bus, which are written in several ways.
enum PCIAddress {
    /// The first one in a text, as sysfs writes it: `0000:01:00.0`. NVIDIA writes eight digits for the domain, or no function.
    static func find(in text: Substring) -> String? {
        for word in text.split(whereSeparator: { !($0.isHexDigit || $0 == ":" || $0 == ".") }) {
            let parts = word.drop { $0 == ":" }.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count >= 3, parts[0].count == 4 || parts[0].count == 8, parts[1].count == 2 else { continue }
            let place = parts[2].split(separator: ".")
            guard let device = place.first, device.count == 2, place.count == 1 || place[1].count == 1 else { continue }
            return "\(parts[0].suffix(4)):\(parts[1]):\(device).\(place.count == 1 ? "0" : place[1])".lowercased()
        }
        return nil
    }
}
