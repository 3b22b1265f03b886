/// The intervals of looks and questions that back up events, because events can be lost.
public enum Beat {
    /// Looks at all containers or scopes of a place.
    public static let look = Duration.seconds(60)
    /// Waits for pending writes, which show whether the database can be written.
    public static let flush = Duration.seconds(60)
    /// From a webhook that could not be written to the poll that finds its job.
    public static let pollSoon = Duration.seconds(5)
    /// Looks at what jobs use, while there are any.
    public static let sample = Duration.seconds(5)
    /// Looks at all registrations with our instance's id.
    public static let sweep = Duration.seconds(600)
    /// After a registration whose answer was lost.
    public static let sweepSoon = Duration.seconds(30)
    /// After a start whose effect is unclear.
    public static let lookSoon = Duration.seconds(1)
    /// Looks at what a host is.
    public static let survey = Duration.seconds(600)
    /// The same where a pool wants a GPU, or an architecture, and of a host with several machines.
    public static let surveyOfNeeds = Duration.seconds(60)
    /// Questions about jobs that run, and about runners whose job is not tracked, of which no news came.
    public static let verify = Duration.seconds(60)
    /// Questions about jobs that wait, of which no news came; with polling there is news at every poll.
    public static let recheck = Duration.seconds(300)
    /// Questions to a registry for a newer image.
    public static let refresh = Duration.seconds(86_400)
    /// From the daemon's start, or the configuration that brought the image, to the first of them: runners come first.
    public static let firstRefresh = Duration.seconds(600)
    /// After one that failed.
    public static let refreshAgain = Duration.seconds(3600)
    /// Deletions of expired history.
    public static let expire = Duration.seconds(86_400)
    /// From the daemon's start to the first of them.
    public static let firstExpire = Duration.seconds(600)
    /// Looks back at when jobs came.
    public static let learn = Duration.seconds(3600)
    /// After one that failed.
    public static let learnAgain = Duration.seconds(300)
    /// How long jobs and runners are kept in the database after they are over.
    public static let retention = Duration.seconds(30 * 86_400)
    /// How far apart two answers that a job or registration does not exist must be before they are believed.
    public static let gone = Duration.seconds(30)
}
