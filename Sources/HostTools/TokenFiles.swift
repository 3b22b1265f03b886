/// Where GitLab's token is kept for the service.
public enum TokenFiles {
    /// In the clear, for root only.
    public static let plain = "/etc/autogit/gitlab-token"
    /// Encrypted for this machine by systemd-creds(1).
    public static let sealed = "/etc/credstore.encrypted/autogit.gitlab-token"
}
