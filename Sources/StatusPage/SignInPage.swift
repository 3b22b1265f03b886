/// The form that asks for the control token.
enum SignInPage {
    /// The end of a sentence that names the purpose.
    static let configure: HTML = """
        set <code>control_token_file</code> under <code>[listen]</code> in <code>/etc/autogit/autogit.toml</code> to a file that holds a token of your choice, \
        then <code>systemctl restart autogit</code>.
        """

    static func html(message: String?, isAvailable: Bool) -> HTML {
        guard isAvailable else {
            return """
                <section class='narrow' aria-labelledby='sign-in-title'><h1 id='sign-in-title'>Sign in</h1>\
                <p>Signing in needs a control token, and none is configured. To allow it, \(configure)</p><p><a href='/'>To the overview</a></p></section>
                """
        }
        let shown: HTML? = message.map { "<p id='sign-in-message' class='error' role='alert'>\($0.clipped(to: Bounds.sentence))</p>" }
        let described: HTML? = message == nil ? nil : " aria-describedby='sign-in-message' aria-invalid='true'"
        return """
            <section class='narrow' aria-labelledby='sign-in-title'><h1 id='sign-in-title'>Sign in</h1>\
            <p>With the control token you can pause pools, start and drain runners, and read logs.</p>\(shown)\
            <form method='post' action='/ui/sign-in' class='sign-in'><label for='token'>Control token</label>\
            <input id='token' name='token' type='password' autocomplete='current-password' required autofocus\(described)>\
            <button>Sign in</button></form>\
            <p class='soft'>It is in the file that <code>control_token_file</code> under <code>[listen]</code> names.</p></section>
            """
    }
}
