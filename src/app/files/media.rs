//! What kind of content a file has, by the end of its name: the media types of what pages are made of, as registered
//! with IANA.

/// Types by extension, in lower case. Texts are taken for UTF-8.
const TYPES: [(&str, &str); 39] = [
    ("avif", "image/avif"),
    ("bin", UNKNOWN),
    ("bmp", "image/bmp"),
    ("css", "text/css; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("gif", "image/gif"),
    ("gz", "application/gzip"),
    ("htm", "text/html; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("ico", "image/vnd.microsoft.icon"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("js", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("map", "application/json"),
    ("md", "text/markdown; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("ogg", "audio/ogg"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("rss", "application/rss+xml"),
    ("svg", "image/svg+xml"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("vtt", "text/vtt; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webmanifest", "application/manifest+json"),
    ("webp", "image/webp"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
    ("xhtml", "application/xhtml+xml"),
    ("xml", "application/xml"),
    ("zip", "application/zip"),
];

/// What a browser keeps rather than shows.
const UNKNOWN: &str = "application/octet-stream";

/// The content type of a file of this name.
pub(super) fn content_type(name: &str) -> &'static str {
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let found = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
    found.map_or(UNKNOWN, |(_, content_type)| content_type)
}

/// Whether files of this type become shorter when they are compressed: texts, and the binary forms that are not
/// compressed themselves.
pub(super) fn is_compressible(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let known = [
        "application/javascript",
        "application/json",
        "application/wasm",
        "application/xml",
        "font/otf",
        "font/ttf",
        "image/bmp",
        "image/vnd.microsoft.icon",
    ];
    essence.starts_with("text/")
        || essence.ends_with("+json")
        || essence.ends_with("+xml")
        || known.contains(&&*essence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_by_the_last_extension() {
        assert_eq!(content_type("a.tar.GZ"), "application/gzip");
        assert_eq!(content_type("index.html"), "text/html; charset=utf-8");
        assert_eq!(content_type("x.min.js.map"), "application/json");
        for unknown in ["LICENSE", "html", "a.", "a.exe", ""] {
            assert_eq!(content_type(unknown), "application/octet-stream", "{unknown}");
        }
        assert!(TYPES.iter().all(|(extension, _)| !extension.bytes().any(|byte| byte.is_ascii_uppercase())));
    }

    #[test]
    fn what_is_compressed_is_not_compressed_again() {
        for name in ["a.html", "a.js", "a.svg", "a.json", "a.webmanifest", "a.wasm", "a.ttf", "a.ico"] {
            assert!(is_compressible(content_type(name)), "{name}");
        }
        for name in ["a.png", "a.jpg", "a.woff2", "a.mp4", "a.zip", "a.gz", "a"] {
            assert!(!is_compressible(content_type(name)), "{name}");
        }
        assert!(is_compressible("Application/JavaScript ; charset=utf-8"));
        assert!(!is_compressible(""));
    }
}
