"""The page in headless Chromium: a check is typed in, its message is seen, numbers change by themselves. Screenshots are kept."""

import os
import pathlib
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from common import Kit, service

kit = Kit()
kept = pathlib.Path(os.environ["LEANPOOL_ARTEFACTS"])
kept.mkdir(parents=True, exist_ok=True)


def browser(folder):
    options = webdriver.ChromeOptions()
    options.binary_location = os.environ["LEANPOOL_CHROMIUM"]
    for argument in ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--window-size=1200,1500", f"--user-data-dir={folder}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Driver(os.environ["LEANPOOL_CHROMEDRIVER"]))


def use(page, url):
    wait = WebDriverWait(page, 60)
    text = lambda name: page.find_element(By.ID, name).text
    page.get(url + "/")
    wait.until(lambda _: text("state") == "live")

    def check(source):
        page.execute_script("document.getElementById('text').value = ''")
        page.find_element(By.ID, "text").send_keys(source)
        page.find_element(By.ID, "check").click()

    check("#check Nat")
    wait.until(lambda _: "Nat : Type" in text("messages"))
    assert "elaborated without errors" in text("verdict") and "verified" not in page.page_source
    assert len(text("file-key")) == 16
    check("#check <b>nothing</b>")
    wait.until(lambda _: "errors" in text("verdict"))
    assert not page.find_elements(By.CSS_SELECTOR, "#messages b"), "what files say is text, no HTML"
    check("theorem x (a : Nat) : Eq a a := Eq.refl a\n#check x\nexample : Eq 1 2 := sorry")
    wait.until(lambda _: "sorry" in text("messages"))
    # What the service does is seen without a reload.
    wait.until(lambda _: int(text("checks")) >= 3)
    wait.until(lambda _: "evict" in text("zygotes") and text("slowest"))
    wait.until(lambda _: page.find_elements(By.CSS_SELECTOR, "#chart-memory polyline"))
    for name, scheme in [("page.png", "light"), ("page-dark.png", "dark")]:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        page.save_screenshot(str(kept / name))
    back = [page.execute_script("return getComputedStyle(document.body).backgroundColor")]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]})
    back.append(page.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert back[0] != back[1], "light and dark differ"
    width = page.execute_script("return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert width <= 0, "nothing lies beside the page"
    page.find_element(By.CSS_SELECTOR, "#zygotes button").click()
    said = [entry for entry in page.get_log("browser") if entry["level"] == "SEVERE"]
    assert not said, said


def with_key(page, url, key):
    wait = WebDriverWait(page, 60)
    page.get(url + "/")
    wait.until(lambda _: page.find_element(By.ID, "key-form").is_displayed())
    page.find_element(By.ID, "key").send_keys(key)
    page.find_element(By.CSS_SELECTOR, "#key-form button").click()
    wait.until(lambda _: page.find_element(By.ID, "state").text == "live")


with tempfile.TemporaryDirectory() as folder:
    page = browser(folder)
    try:
        with service("--preload", "prelude\nimport Kit", worker=kit.worker, environment=kit.environment()) as it:
            use(page, it.url)
            page.get("about:blank")
        key = pathlib.Path(folder) / "key"
        key.write_text("0123456789abcdef0123456789abcdef")
        with service("--api-key-file", str(key), worker=kit.worker, environment=kit.environment()) as it:
            with_key(page, it.url, key.read_text())
            page.get("about:blank")
    finally:
        page.quit()
print(f"page: all passed; screenshots: {kept}/page.png, page-dark.png")
