/// The most of each thing on a page, so that no queue, name or log makes it slow. The page counts whatever it leaves out.
enum Bounds {
    /// Waiting jobs that have a row of their own.
    static let waitingJobs = 60
    /// Reasons for waiting with rows; jobs with further ones share a row.
    static let reasons = 12
    /// Sets of tags in a summary.
    static let tagSets = 5
    static let tags = 12
    static let runners = 100
    static let pools = 100
    static let warnings = 20
    static let failures = 8
    static let failureLines = 12
    static let recentJobs = 12
    static let history = 24
    static let steps = 200
    static let logLines = 1000
    /// Scalars of a name, such as that of a job, a branch or a tag.
    static let name = 100
    /// Scalars of an error or a reason.
    static let sentence = 400
    /// Scalars of a line of a log: on the overview, and on the runner's page.
    static let shortLine = 240
    static let longLine = 2000
}
