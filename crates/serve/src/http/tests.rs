use super::*;

#[test]
fn each_route_is_in_the_document() {
    let document = serde_json::to_value(openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/",
        "/api/check",
        "/api/check/",
        "/verify",
        "/one_pass_verify_batch",
        "/health",
        "/health/",
        "/v1/check",
        "/v1/pool",
        "/v1/pool/evict",
        "/v1/events",
        "/metrics",
        "/openapi.json",
    ] {
        assert!(paths.contains_key(path), "{path}");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(
        schemas.contains_key("CheckAnswer") && schemas.contains_key("PoolAnswer"),
        "{:?}",
        schemas.keys()
    );
}

#[test]
fn time_to_come_again_grows_with_the_queue_and_is_bounded() {
    assert_eq!([retry_after(0, 2), retry_after(2_000, 2), retry_after(10_000_000, 2)], [1, 10, 60]);
}
