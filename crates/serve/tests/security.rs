//! Risk: somebody asks who may not, or reaches what no request may reach.
#![cfg(target_os = "linux")]

mod support;

use hyper::Method;
use serde_json::json;
use support::{read, service, watchdog};

const KEY: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_nothing_is_checked_or_shown() {
    let _watchdog = watchdog();
    let service = service(|settings| settings.api_key = Some(KEY.to_owned())).await;
    let routes = [
        (Method::POST, "/api/check"),
        (Method::POST, "/api/check/"),
        (Method::POST, "/verify"),
        (Method::POST, "/one_pass_verify_batch"),
        (Method::POST, "/v1/check"),
        (Method::POST, "/v1/pool/evict"),
        (Method::GET, "/v1/pool"),
        (Method::GET, "/v1/events"),
        (Method::GET, "/metrics"),
        (Method::GET, "/nothing"),
    ];
    for (method, path) in routes {
        for carried in [None, Some("Bearer 0123456789abcdef0123456789abcdeF"), Some("Bearer "), Some("")] {
            let mut request = service.request(method.clone(), path, b"{}");
            if let Some(carried) = carried {
                request.headers_mut().insert("authorization", carried.parse().unwrap());
            }
            let (status, text) = read(service.send(request).await).await;
            assert_eq!(status, 401, "{path}");
            assert!(text.contains("API key"), "{text}");
        }
    }
    // Whoever watches over the service needs no key, but a wrong one is told.
    assert_eq!(service.get("/health").await.0, 200);
    let mut request = service.request(Method::GET, "/health", b"");
    request.headers_mut().insert("authorization", "Bearer wrong".parse().unwrap());
    assert_eq!(service.send(request).await.status(), 401);
    for name in ["authorization", "x-auth-token"] {
        let body = json!({"text": "-- say hi"}).to_string();
        let mut request = service.request(Method::POST, "/v1/check", body.as_bytes());
        request.headers_mut().insert(name, format!("Bearer {KEY}").parse().unwrap());
        assert_eq!(service.send(request).await.status(), 200);
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_another_site_can_have_nothing_checked() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let own = service.url.clone();
    for (origin, status) in [("https://evil.example", 403), ("null", 403), (own.as_str(), 200)] {
        let mut request = service.request(Method::POST, "/v1/check", br#"{"text": ""}"#);
        request.headers_mut().insert("origin", origin.parse().unwrap());
        assert_eq!(service.send(request).await.status(), status, "{origin}");
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_whose_name_was_made_to_mean_this_machine_reads_nothing() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    for path in ["/v1/pool", "/v1/events", "/metrics"] {
        for method in [Method::GET, Method::HEAD] {
            for (host, may) in [("evil.example:8000", false), ("localhost:8000", true), ("127.0.0.1", true)] {
                let mut request = service.request(method.clone(), path, b"");
                request.headers_mut().insert("host", host.parse().unwrap());
                let status = service.send(request).await.status().as_u16();
                assert_eq!(status, if may { 200 } else { 403 }, "{path} {host}");
            }
        }
    }
    let mut request = service.request(Method::POST, "/v1/check", br#"{"text": ""}"#);
    request.headers_mut().insert("origin", hyper::header::HeaderValue::from_bytes(b"http://\xff").unwrap());
    assert_eq!(service.send(request).await.status(), 403, "an origin that can't be read");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_that_only_lean_reads_so_is_looked_at_too() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    // Its process says that the header is another than we read; then any name in the text may be one that is imported.
    let result = &service.check(&["import A\n-- other-header\ndef «../x» := 1"]).await[0];
    assert_eq!(result["ending"], "failed", "{result}");
    assert!(result["reason"].as_str().unwrap().contains("is refused as the name of a module"), "{result}");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_that_names_a_path_is_refused_before_lean_sees_it() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    for text in [
        "import «../../x»",
        "import A.«/etc/x»\n",
        "import\t«../x»",
        "module\nimport A\nimport «..»",
        "import «../../x y»",
    ] {
        let result = &service.check(&[text]).await[0];
        assert_eq!(result["ending"], "failed", "{text}: {result}");
    }
    assert!(service.engine.worker_stats().zygotes == 0 && service.processes().is_empty());
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn name_of_a_file_is_a_name_and_no_path_that_is_read() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret.lean");
    std::fs::write(&secret, "-- say secret").unwrap();
    let secret = secret.to_str().unwrap().to_owned();
    for name in
        [secret.clone(), format!("../../../../../../../../..{secret}"), "..".to_owned(), "x/".repeat(500)]
    {
        let body = json!({"files": [{"name": name, "text": "-- say mine"}]}).to_string();
        let (status, text) =
            read(service.send(service.request(Method::POST, "/v1/check", body.as_bytes())).await).await;
        assert!(status == 200 && text.contains("mine") && !text.contains("\"secret\""), "{name}: {text}");
    }
    for name in ["a\0b".to_owned(), "x".repeat(1001), "a\nb".to_owned()] {
        let body = json!({"files": [{"name": name, "text": ""}]}).to_string();
        let (status, text) =
            read(service.send(service.request(Method::POST, "/v1/check", body.as_bytes())).await).await;
        assert!(status == 422 && text.contains("at most 1000 bytes"), "{text}");
    }
    // Nor is a path of a request one of a file.
    for path in
        ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/page.css/../../x", "/a%00b", "//etc/passwd"]
    {
        let (status, text) = service.get(path).await;
        assert!(status == 404 && text.contains("there is nothing here"), "{path}: {status} {text}");
    }
    let long = format!("/{}", "x".repeat(60_000));
    assert!(matches!(service.get(&long).await.0, 404 | 414 | 431));
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    for path in ["/v1/check", "/api/check", "/verify", "/v1/pool/evict"] {
        let body = format!("{{\"files\": {deep}, \"snippets\": {deep}, \"codes\": {deep}, \"key\": {deep}}}");
        let (status, text) =
            read(service.send(service.request(Method::POST, path, body.as_bytes())).await).await;
        assert!(status == 422 && text.len() < 2000, "{path}: {status} {text:.300}");
    }
    service.end().await;
}
