"""The page of scores says what was measured, what was asked, and shows the sheets that are there."""

from training import page


def test_the_page_has_every_section_and_the_sheets_that_are_there(tmp_path) -> None:
    (tmp_path / "contact-sheet-unet.png").touch()
    what = {"samples": 256, "steps": 20, "guidance": 3.0, "unet": "Held-out prompts."}
    page.write(tmp_path, {"unet": {"shape": 0.9258}, "what": what}, {"unet": "shape 0.90"})
    text = (tmp_path / "README.md").read_text()
    assert "## unet\n\nHeld-out prompts.\n\nAsked: shape 0.90.\n" in text
    assert "| shape | 0.9258 |" in text
    assert "(contact-sheet-unet.png)" in text
    assert "(contact-sheet.png)" not in text
