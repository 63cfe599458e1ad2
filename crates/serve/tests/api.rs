//! Risk: a request is answered with something else than is promised, or a bound is not kept.
#![cfg(target_os = "linux")]

mod support;

use std::time::Duration;

use hyper::Method;
use serde_json::{Value, json};
use support::{Start, read, said, service, service_with, watchdog};

#[tokio::test(flavor = "multi_thread")]
async fn each_file_has_its_own_messages_whatever_ends_the_others() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let results = service
        .check(&[
            "import A\n-- say one",
            "import A\n-- say two\n-- exit 3",
            "import B\n-- error three",
            "import Script.Missing\n",
            "import A\n-- kill-me",
            "import «../x»\n",
            "import A\n-- say last",
        ])
        .await;
    let endings: Vec<&str> = results.iter().map(|result| result["ending"].as_str().unwrap()).collect();
    assert_eq!(endings, ["done", "died", "done", "bad-header", "died", "failed", "done"]);
    let oks: Vec<bool> = results.iter().map(|result| result["ok"].as_bool().unwrap()).collect();
    assert_eq!(oks, [true, false, false, false, false, false, true]);
    assert_eq!(
        (said(&results[0]), said(&results[1]), said(&results[6])),
        (vec!["one"], vec!["two"], vec!["last"])
    );
    assert!(results[1]["reason"].as_str().unwrap().contains("exit code 3"));
    assert!(results[5]["reason"].as_str().unwrap().contains("is refused as the name of a module"));
    assert_eq!(results[3]["messages"][0]["pos"], json!({"line": 1, "column": 0}), "a place in the file");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_beside_messages_is_told() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let text = "-- extras\n-- sorry |- False\n-- tactic intro h\n-- axioms two propext";
    let body = json!({"text": text, "sorries": true, "tactics": true, "axioms": true});
    let (_, answer) = service.post("/v1/check", &body).await;
    let result = &answer["results"][0];
    assert_eq!(said(result), [r#"["sorries","tactics","axioms"]"#]);
    let kinds: Vec<&str> =
        result["records"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["sorry", "tactic", "axioms"]);
    let body = json!({"snippets": [{"id": "a", "code": text}], "tactics": true});
    let (_, answer) = service.post("/api/check", &body).await;
    let response = &answer["results"][0]["response"];
    assert_eq!(
        response["sorries"],
        json!([{"pos": {"line": 2, "column": 3}, "endPos": {"line": 2, "column": 8}, "goal": "|- False"}])
    );
    assert_eq!(response["tactics"][0]["tactic"], "intro h");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_tells_messages_before_the_check_has_ended_and_each_result_once() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    // What comes first is read while the check still runs: it would run for ever.
    let files = json!({"files": [{"text": "-- say early\n-- until-cancelled"}], "stream": true}).to_string();
    let response = service.send(service.request(Method::POST, "/v1/check", files.as_bytes())).await;
    let mut body = response.into_body();
    let mut text = String::new();
    while !text.ends_with('\n') {
        use http_body_util::BodyExt as _;
        text.push_str(
            std::str::from_utf8(&body.frame().await.unwrap().unwrap().into_data().unwrap()).unwrap(),
        );
    }
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&first["record"], &first["message"]["data"]), (&json!("message"), &json!("early")));
    // Whoever leaves a stream cancels it.
    drop(body);
    service.until_load(0, 0).await;

    let files: Vec<Value> = (0..50).map(|number| json!({"text": format!("-- say {number}")})).collect();
    let files = json!({"files": files}).to_string();
    let mut request = service.request(Method::POST, "/v1/check", files.as_bytes());
    request.headers_mut().insert("accept", "application/x-ndjson".parse().unwrap());
    let (status, text) = read(service.send(request).await).await;
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((status, lines.len()), (200, 101));
    assert_eq!(lines[100], json!({"record": "end", "ok": true}));
    for number in 0..50 {
        let own: Vec<&Value> = lines.iter().filter(|line| line["file"] == number).collect();
        assert_eq!(
            (&own[0]["message"]["data"], &own[1]["record"]),
            (&json!(number.to_string()), &json!("result"))
        );
        assert_eq!(own.len(), 2);
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bound_has_its_answer() {
    let _watchdog = watchdog();
    let service = service(|settings| {
        let bounds = &mut settings.bounds;
        (bounds.body, bounds.files, bounds.time) = (10_000, 3, Duration::from_secs(5));
        (bounds.output, bounds.answer, bounds.queue) = (100_000, 2_000, 1000);
    })
    .await;
    let big = json!({"text": "x".repeat(20_000)});
    let (status, answer) = service.post("/v1/check", &big).await;
    assert_eq!(status, 413);
    assert!(answer["detail"].as_str().unwrap().contains("--max-body"));
    let four: Vec<Value> = (0..4).map(|id| json!({"id": id.to_string(), "code": ""})).collect();
    let (status, answer) = service.post("/api/check", &json!({"snippets": four})).await;
    assert_eq!(status, 422);
    assert!(answer["detail"][0]["msg"].as_str().unwrap().contains("--max-files"));
    let (status, answer) = service.post("/v1/check", &json!({"text": "", "timeout": 6})).await;
    assert_eq!(status, 422);
    assert!(answer["detail"][0]["msg"].as_str().unwrap().contains("--max-time"));
    let result = &service.check(&["-- flood"]).await[0];
    assert_eq!(result["ending"], "failed", "{result}");
    assert!(result["reason"].as_str().unwrap().contains("--max-answer"));
    let results = service.check(&["-- say a", &format!("-- say {}", "b".repeat(3_000)), "-- say c"]).await;
    let fine = results.iter().filter(|result| result["ok"] == true).count();
    assert_eq!(fine, 2, "what fits is told: {results:?}");
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_that_says_too_much_is_ended() {
    let _watchdog = watchdog();
    let service = service(|settings| settings.bounds.output = 100_000).await;
    let results = service.check(&["-- flood", "-- endless-line", "-- say fine"]).await;
    assert_eq!(results[0]["ending"], "died");
    assert!(results[0]["reason"].as_str().unwrap().contains("says more than is kept"));
    assert_eq!((&results[1]["ending"], &results[2]["ok"]), (&json!("died"), &json!(true)));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bodies_are_answered_with_what_is_wrong_and_where() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    for (path, body, place) in [
        ("/api/check", "", vec!["body"]),
        ("/api/check", "{", vec!["body"]),
        ("/api/check", "\u{ff}\u{fe}", vec!["body"]),
        ("/api/check", r#"{"snippets": [{"custom_id": "a", "code": ""}]}"#, vec!["body", "snippets", "0"]),
        ("/api/check", r#"{"snippets": []}"#, vec!["body", "snippets"]),
        ("/verify", r#"{"codes": [{"custom_id": "a"}]}"#, vec!["body", "codes", "0"]),
        ("/v1/check", "{}", vec!["body"]),
        ("/v1/check", r#"{"files": [{"text": 1}]}"#, vec!["body", "files", "0", "text"]),
        ("/v1/check", r#"{"text": "", "timeuot": 1}"#, vec!["body"]),
        ("/v1/check", r#"{"text": "", "project": "three"}"#, vec!["body", "project"]),
        ("/v1/check", r#"{"files": [{"text": "", "name": "a\nb"}]}"#, vec!["body", "files", "0", "name"]),
        ("/v1/pool/evict", "{}", vec!["body"]),
    ] {
        let request = service.request(Method::POST, path, body.as_bytes());
        let (status, text) = read(service.send(request).await).await;
        let answer: Value = serde_json::from_str(&text).unwrap();
        let found: Vec<&str> = answer["detail"][0]["loc"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| part.as_str().unwrap())
            .collect();
        assert_eq!(status, 422, "{path} {body}: {text}");
        assert!(found.starts_with(&place), "{path} {body}: {text}");
    }
    assert_eq!(service.get("/nothing").await.0, 404);
    assert_eq!(service.get("/v1/check").await.0, 405);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_the_known_server_are_answered_as_there() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let snippets = json!([{"id": "x", "code": "-- say hi"}, {"id": "y", "code": "-- ignore-cancel"}]);
    let body = json!({"snippets": snippets, "timeout": 0.2, "debug": true, "reuse": false, "infotree": null});
    for path in ["/api/check", "/api/check/"] {
        let (status, answer) = service.post(path, &body).await;
        let results = &answer["results"];
        assert_eq!((status, &results[0]["id"], &results[1]["id"]), (200, &json!("x"), &json!("y")));
        assert_eq!(results[0]["response"]["messages"][0]["data"], "hi");
        assert!(
            results[1]["error"].as_str().unwrap().contains("timed out")
                && results[1].get("response").is_none()
        );
        assert!(results[1]["diagnostics"]["repl_uuid"].is_string());
    }
    let body =
        json!({"codes": [{"custom_id": 7, "proof": "-- say hi"}, {"custom_id": "b", "code": "-- exit 1"}]});
    for path in ["/verify", "/one_pass_verify_batch"] {
        let (_, answer) = service.post(path, &body).await;
        assert_eq!(answer["results"][0]["custom_id"], "7");
        assert!(answer["results"][0]["response"]["time"].is_number());
        assert!(answer["results"][1]["error"].is_string());
    }
    let body = json!({"snippets": snippets, "infotree": "full"});
    let (status, answer) = service.post("/api/check", &body).await;
    assert_eq!(status, 200);
    assert!(answer["results"][1]["error"].as_str().unwrap().contains("tactics"), "{answer}");
    for path in ["/", "/health", "/health/"] {
        assert_eq!(service.get(path).await, (200, r#"{"status":"ok"}"#.to_owned()));
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pool_is_shown_and_evicted_by_key() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    service.check(&["import A\nimport B", "import A import B -- again", "import C"]).await;
    let pool: Value = serde_json::from_str(&service.get("/v1/pool").await.1).unwrap();
    let zygotes = pool["zygotes"].as_array().unwrap();
    assert_eq!(zygotes.len(), 2);
    let of = |header: &str| zygotes.iter().find(|zygote| zygote["header"] == header).unwrap();
    let both = of("import A\nimport B");
    assert_eq!(
        (&both["hits"], &both["toolchain"], &both["project"]),
        (&json!(1), &json!("4.99.0"), &json!("one"))
    );
    assert!(both["memory"].as_u64().unwrap() > 0 && pool["now"]["memory"].as_u64().unwrap() > 0);
    let (_, answer) = service.post("/v1/pool/evict", &json!({"key": both["key"]})).await;
    assert_eq!(answer, json!({"evicted": 1}));
    let (_, answer) = service.post("/v1/pool/evict", &json!({"header": "import C"})).await;
    assert_eq!(answer, json!({"evicted": 1}));
    support::until(|| service.processes().is_empty()).await;
    service.check(&["import A\nimport B"]).await;
    let (_, answer) = service.post("/v1/pool/evict", &json!({"all": true})).await;
    assert_eq!(answer, json!({"evicted": 1}));
    let metrics = service.get("/metrics").await.1;
    for line in [
        "leanpool_zygotes_started_total 3",
        "leanpool_checks_total{ending=\"done\"} 4",
        "leanpool_pool_misses_total 3",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    for (name, kind) in types {
        assert_eq!(
            kind == "counter",
            name.ends_with("_total"),
            "what counts up is a counter, and its name says so: {name} {kind}"
        );
    }
    assert!(
        service.get("/metrics").await.1.contains("leanpool_zygotes_started_total 3"),
        "asking counts nothing"
    );
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_key_of_the_first_file_is_on_the_answer() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let body = json!({"text": "import A\n"}).to_string();
    let response = service.send(service.request(Method::POST, "/v1/check", body.as_bytes())).await;
    let key = response.headers()["x-leanpool-key"].to_str().unwrap();
    assert_eq!(key, leanpool_serve::key::of_file("import A -- the same"));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_is_ready_once_what_it_was_told_to_import_is_there() {
    let _watchdog = watchdog();
    let start =
        support::Start { preload: vec!["import A".to_owned(), "import B".to_owned()], ..Default::default() };
    let service = service_with(start, |_| ()).await;
    let started = service.engine.worker_stats().zygotes;
    service.check(&["import A\n-- say x", "import B\n"]).await;
    assert_eq!((started, service.engine.worker_stats().zygotes), (2, 2));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn page_is_for_browsers_and_its_events_are_live() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    let mut request = service.request(Method::GET, "/", b"");
    request.headers_mut().insert("accept", "text/html,*/*".parse().unwrap());
    let response = service.send(request).await;
    assert!(response.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    let (_, page) = read(response).await;
    assert!(page.contains("/page.js") && page.contains("/page.css") && !page.contains("https://"));
    service.check(&["-- say slow\n-- wait 30", "-- say quick"]).await;
    let response = service.send(service.request(Method::GET, "/v1/events", b"")).await;
    let mut body = response.into_body();
    use http_body_util::BodyExt as _;
    for number in 0..2 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        let event = std::str::from_utf8(&frame).unwrap().strip_prefix("data: ").unwrap().trim().to_owned();
        let event: Value = serde_json::from_str(&event).unwrap();
        let slowest = event["slowest"].as_array().unwrap();
        let first = |slow: &Value| slow["messages"][0].as_str().unwrap_or_default().to_owned();
        assert!(slowest.iter().any(|slow| first(slow).ends_with("slow")), "{number}: {event}");
        assert_eq!(event["pool"]["now"]["checks"], json!(2));
    }
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_headers_than_are_kept_are_imported_once_for_a_request() {
    let _watchdog = watchdog();
    let start = support::Start { jobs: 1, zygotes: 2, ..Default::default() };
    let service = service_with(start, |_| ()).await;
    let texts: Vec<String> = (0..60).map(|n| format!("import H{}\n-- say {n}", n % 6)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (number, result) in service.check(&texts).await.iter().enumerate() {
        assert_eq!(said(result), [number.to_string()], "results are in the order of the files");
    }
    assert_eq!(service.engine.worker_stats().zygotes, 6);
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_is_checked_in_the_project_that_it_names() {
    let _watchdog = watchdog();
    let service = service(|_| ()).await;
    // The worker says what it was started with, as an error of the header.
    let text = "import Script.Configured\n";
    let files = json!([{"text": text}, {"text": text, "project": "two"}, {"text": text, "project": "one"}]);
    let answer = service.post("/v1/check", &json!({"files": files})).await.1;
    let is_two: Vec<bool> =
        (0..3).map(|at| said(&answer["results"][at])[0].contains(r#""searchPath":["/two"]"#)).collect();
    assert_eq!(is_two, [false, true, false], "{answer}");
    let answer = service.post("/v1/check", &json!({"text": text, "project": "two"})).await.1;
    assert!(said(&answer["results"][0])[0].contains("/two"));
    service.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_that_can_t_be_imported_is_tried_once_for_all_files_of_a_request() {
    let _watchdog = watchdog();
    let service = service_with(Start { jobs: 1, ..Start::default() }, |_| ()).await;
    let texts: Vec<String> =
        (0..20).map(|line| format!("{}import Script.Missing\n", "\n".repeat(line))).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let failed = || service.engine.worker_stats().pool.opens_failed;
    for (line, result) in (1..).zip(service.check(&texts).await) {
        assert_eq!(result["ending"], "bad-header", "{result}");
        assert_eq!(result["messages"][0]["pos"]["line"], line, "each in its own file: {result}");
    }
    assert_eq!(failed(), 1);
    // It may have been built meanwhile: the next request tries again.
    service.check(&texts[..1]).await;
    assert_eq!(failed(), 2);
    service.end().await;
}
