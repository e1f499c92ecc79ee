//! What was expected and did not come.

use http::StatusCode;
use serde_json::Value;

use super::seen::Seen;
use crate::name::{GroupName, InvalidGroupName};

/// Why a test cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unmet {
    /// The name of the group is not valid.
    #[error(transparent)]
    Group(#[from] InvalidGroupName),
    /// A header cannot be sent.
    #[error("{0:?} is no header that can be sent")]
    Header(String),
    /// The server refuses a request.
    #[error("the server refuses with {status}: {body}")]
    Refused {
        /// The status of the answer.
        status: StatusCode,
        /// Its body: `{"error": {"code", "message"}}`.
        body: Value,
    },
    /// The policy does not let the person into a group.
    #[error("the policy does not let this person into {0}")]
    Denied(GroupName),
    /// The members of a group are others than those who were expected.
    #[error("{group} shows {shown:?}, and {expected:?} were expected")]
    Members {
        /// The group.
        group: GroupName,
        /// The ids that were expected.
        expected: Vec<String>,
        /// The ids that are shown.
        shown: Vec<String>,
    },
    /// What was expected has not come in time.
    #[error("nothing of what was expected came in time; what came is {0:?}")]
    Late(Vec<Seen>),
    /// The server has ended the connection.
    #[error("the server has ended the connection; before that came {0:?}")]
    Ended(Vec<Seen>),
    /// There is still something under way.
    #[error("it does not settle: {0}")]
    Unsettled(String),
}
