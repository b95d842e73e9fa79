//! Answers as protobuf's JSON, with the names and the left-out defaults that grpcurl prints.

use std::sync::LazyLock;

use pixelfox_proto::v1;
use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

/// Every message of the cluster, from the descriptors that reflection answers with.
pub(super) static DESCRIPTORS: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(v1::FILE_DESCRIPTOR_SET).expect("the descriptors of this build are well-formed")
});

/// What describes `M`.
pub(super) fn descriptor<M: Name>() -> MessageDescriptor {
    let found = DESCRIPTORS.get_message_by_name(&M::full_name());
    found.expect("every message of the generated code is in its descriptors")
}

/// The same message, with its fields by their names.
pub(super) fn dynamic<M: Name>(message: &M) -> DynamicMessage {
    let mut dynamic = DynamicMessage::new(descriptor::<M>());
    dynamic.transcode_from(message).expect("a message is what its own descriptor says");
    dynamic
}

/// One document over several lines.
pub(super) fn document<M: Name>(message: &M) -> String {
    let mut text = Vec::new();
    let mut to = serde_json::Serializer::pretty(&mut text);
    write(&dynamic(message), &mut to);
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// One document on one line.
pub(super) fn line<M: Name>(message: &M) -> String {
    let mut text = Vec::new();
    let mut to = serde_json::Serializer::new(&mut text);
    write(&dynamic(message), &mut to);
    String::from_utf8(text).expect("JSON is UTF-8")
}

fn write<S: serde::Serializer>(message: &DynamicMessage, to: S)
where
    S::Error: std::fmt::Debug,
{
    let options = SerializeOptions::new(); // 64-bit numbers as strings, defaults left out, as grpcurl
    message.serialize_with_options(to, &options).map(drop).expect("a message of the wire can be written as JSON");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_numbers_bytes_and_times_as_grpcurl_prints_them() {
        let created = Some(prost_types::Timestamp { seconds: 1_764_000_000, nanos: 0 });
        let image =
            v1::Image { original_name: "\u{1b}[31m".into(), size: 5, width: 3, created, ..v1::Image::default() };
        let image = v1::Image { sha256: vec![1, 2, 255], ..image };
        assert_eq!(
            line(&image),
            r#"{"originalName":"\u001b[31m","size":"5","width":3,"sha256":"AQL/","created":"2025-11-24T16:00:00Z"}"#
        );
        let finding = v1::Finding { status: v1::finding::Status::Failed.into(), ..v1::Finding::default() };
        assert_eq!(document(&finding), "{\n  \"status\": \"FAILED\"\n}");
    }
}
