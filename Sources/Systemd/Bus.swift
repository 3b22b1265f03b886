import CSystemd
import Glibc

/// One connection to a message bus (sd-bus(3)). Like sd-bus itself, not for use by two threads at once.
final class Bus {
    private let handle: OpaquePointer

    /// - Parameter address: as `$DBUS_SESSION_BUS_ADDRESS` has it, such as `unix:path=/run/user/1000/bus`.
    init(address: String) throws {
        var new: OpaquePointer?
        try Self.check("allocating a bus connection", sd_bus_new(&new))
        guard let new else { throw BusError("allocating a bus connection", code: -ENOMEM) }
        handle = new
        try Self.check("setting the bus address \(address)", sd_bus_set_address(handle, address))
        sd_bus_set_bus_client(handle, 1)
        try Self.check("connecting to the bus at \(address)", sd_bus_start(handle))
    }

    deinit { sd_bus_flush_close_unref(handle) }

    static func check(_ what: String, _ result: Int32) throws {
        if result < 0 { throw BusError(what, code: result) }
    }

    /// Microseconds that a call may take.
    private static let timeout: UInt64 = 20_000_000

    @discardableResult
    func call(_ destination: String, _ path: String, _ interface: String, _ member: String, _ arguments: (Message) throws -> Void = { _ in }) throws -> Message
    {
        var raw: OpaquePointer?
        try Self.check(member, sd_bus_message_new_method_call(handle, &raw, destination, path, interface, member))
        guard let raw else { throw BusError(member, code: -ENOMEM) }
        let request = Message(owning: raw)
        try arguments(request)
        var error = sd_bus_error()
        defer { sd_bus_error_free(&error) }
        var reply: OpaquePointer?
        let result = sd_bus_call(handle, request.handle, Self.timeout, &error, &reply)
        guard result >= 0, let reply else { throw BusError(member, error, code: result) }
        return Message(owning: reply)
    }

    func property(_ destination: String, _ path: String, _ interface: String, _ member: String, type: String) throws -> Message {
        var error = sd_bus_error()
        defer { sd_bus_error_free(&error) }
        var reply: OpaquePointer?
        let result = sd_bus_get_property(handle, destination, path, interface, member, &error, &reply, type)
        guard result >= 0, let reply else { throw BusError(member, error, code: result) }
        return Message(owning: reply)
    }

    /// Subscribes to a signal, does `body`, and waits for a signal that `accept` takes.
    /// - Returns: false when none came within `seconds`.
    func wait(for interface: String, _ member: String, seconds: Int, during body: () throws -> Void, accept: @escaping (Message) -> Bool) throws -> Bool {
        let listener = SignalListener(accept)
        var slot: OpaquePointer?
        let context = Unmanaged.passUnretained(listener).toOpaque()
        try Self.check(
            member,
            sd_bus_match_signal(
                handle, &slot, nil, nil, interface, member,
                { message, context, _ in
                    guard let message, let context else { return 0 }
                    Unmanaged<SignalListener>.fromOpaque(context).takeUnretainedValue().received(Message(borrowing: message))
                    return 0
                }, context))
        defer { sd_bus_slot_unref(slot) }
        try body()
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let end = now.tv_sec + seconds
        while !listener.accepted() {
            let processed = sd_bus_process(handle, nil)
            try Self.check("reading from the bus", processed)
            if processed > 0 { continue }
            clock_gettime(CLOCK_MONOTONIC, &now)
            guard now.tv_sec < end else { return false }
            try Self.check("waiting for the bus", sd_bus_wait(handle, UInt64(end - now.tv_sec) * 1_000_000))
        }
        return true
    }
}

/// Keeps received signals, because one may arrive before the caller knows which one it waits for.
private final class SignalListener {
    private let accept: (Message) -> Bool
    private var pending: [Message] = []

    init(_ accept: @escaping (Message) -> Bool) { self.accept = accept }

    func received(_ message: Message) { pending.append(message) }

    func accepted() -> Bool {
        defer { pending = [] }
        return pending.contains(where: accept)
    }
}

/// One message, written or read in order.
final class Message {
    let handle: OpaquePointer

    init(owning handle: OpaquePointer) { self.handle = handle }
    init(borrowing handle: OpaquePointer) { self.handle = sd_bus_message_ref(handle) }
    deinit { sd_bus_message_unref(handle) }

    // MARK: Writing

    func append(_ text: String, type: Character = "s") throws {
        try Bus.check("writing a string", text.withCString { sd_bus_message_append_basic(handle, Self.code(type), $0) })
    }

    func append(_ value: Bool) throws {
        var number: Int32 = value ? 1 : 0
        try Bus.check("writing a boolean", sd_bus_message_append_basic(handle, Self.code("b"), &number))
    }

    func append(_ value: UInt64) throws {
        var number = value
        try Bus.check("writing a number", sd_bus_message_append_basic(handle, Self.code("t"), &number))
    }

    func append(_ value: UInt32) throws {
        var number = value
        try Bus.check("writing a number", sd_bus_message_append_basic(handle, Self.code("u"), &number))
    }

    func append(_ value: Int32) throws {
        var number = value
        try Bus.check("writing a number", sd_bus_message_append_basic(handle, Self.code("i"), &number))
    }

    func container(_ type: Character, _ contents: String, _ body: () throws -> Void) throws {
        try Bus.check("opening a container", sd_bus_message_open_container(handle, Self.code(type), contents))
        try body()
        try Bus.check("closing a container", sd_bus_message_close_container(handle))
    }

    func append(_ texts: [String]) throws {
        try container("a", "s") { for text in texts { try append(text) } }
    }

    func append(bytes: [UInt8]) throws {
        try Bus.check("writing bytes", bytes.withUnsafeBytes { sd_bus_message_append_array(handle, Self.code("y"), $0.baseAddress, $0.count) })
    }

    // MARK: Reading

    /// A string, an object path or a signature; nil at the end of an array.
    func text(_ type: Character = "s") throws -> String? {
        var pointer: UnsafePointer<CChar>?
        let result = withUnsafeMutablePointer(to: &pointer) { sd_bus_message_read_basic(handle, Self.code(type), $0) }
        try Bus.check("reading a string", result)
        return result > 0 ? pointer.map { String(cString: $0) } : nil
    }

    func number<T: FixedWidthInteger>(_ type: Character, as: T.Type) throws -> T {
        var value: T = 0
        try Bus.check("reading a number", sd_bus_message_read_basic(handle, Self.code(type), &value))
        return value
    }

    /// - Returns: false at the end of the array that is being read.
    func enter(_ type: Character, _ contents: String) throws -> Bool {
        let result = sd_bus_message_enter_container(handle, Self.code(type), contents)
        try Bus.check("entering a container", result)
        return result > 0
    }

    func leave() throws { try Bus.check("leaving a container", sd_bus_message_exit_container(handle)) }

    private static func code(_ type: Character) -> CChar { CChar(type.asciiValue ?? 0) }
}
