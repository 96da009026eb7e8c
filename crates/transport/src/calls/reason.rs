//! Why a call failed, for people.

use dst_load_scenario::{
    printable::sentence,
    words::{causes, chain},
};
use http::StatusCode;

/// What a call through kube came to, in one sentence. kube's own text repeats a refusal as a debug
/// print.
#[must_use]
pub fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            let code = StatusCode::from_u16(status.code).ok();
            let name = code.and_then(|it| it.canonical_reason()).unwrap_or("");
            let answered = format!("{} {name}", status.code);
            let message = status.message.trim();
            if message.is_empty() || message == name {
                answered.trim_end().to_owned()
            } else {
                sentence(&format!("{}: {message}", answered.trim_end()))
            }
        }
        kube::Error::SerdeError(error) => {
            sentence(&format!("the answer is not of the Kubernetes API: {error}"))
        }
        kube::Error::Service(cause) => sentence(&causes(&**cause)),
        other => chain(other),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn refused(code: u16, message: &str) -> String {
        let status = Status::failure(message, "Reason").with_code(code);
        reason(&kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn a_refusal_is_its_code_and_what_the_server_says() {
        assert_eq!(refused(401, "Unauthorized"), "401 Unauthorized");
        assert_eq!(
            refused(403, "pods is forbidden"),
            "403 Forbidden: pods is forbidden"
        );
        assert_eq!(refused(407, ""), "407 Proxy Authentication Required");
        assert_eq!(
            refused(502, "<html>\nBad</html>"),
            "502 Bad Gateway: <html> Bad</html>"
        );
        assert_eq!(refused(520, ""), "520");
    }

    #[test]
    fn what_is_no_answer_of_the_api_is_told_without_the_librarys_prefix() {
        let html = serde_json::from_str::<u8>("<html>").unwrap_err();
        let said = reason(&kube::Error::SerdeError(html));
        assert!(
            said.starts_with("the answer is not of the Kubernetes API: expected value"),
            "{said}"
        );
        let gone = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let said = reason(&kube::Error::Service(gone.into()));
        assert_eq!(said, "connection reset");
    }
}
