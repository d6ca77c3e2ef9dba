"""Makes the pictures of the docs again: those of docs/gallery.md by its own code, and the page in a browser.

    python examples/gallery.py                 (chromium on the path for the picture of the page)

Writes docs/images/gallery_*.png and docs/images/page.png.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def gallery(folder: Path) -> None:
    """Run the code blocks of the gallery in a folder, from top to bottom."""
    names = {"__name__": "gallery"}
    os.chdir(folder)
    for block in re.findall(
        r"^```python\n(.*?)^```", (ROOT / "docs" / "gallery.md").read_text(), re.M | re.S
    ):
        exec(block, names)
    names["analysis"].save(folder / "saved")


def screen(page: Path, picture: Path) -> None:
    """The first screen of a page, light, in a browser without a window."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("page.png is left as it is: no chromium or chrome on the path")
        return
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,800"]
    subprocess.run(
        [browser, *flags, f"--screenshot={picture}", page.as_uri()], check=True, capture_output=True
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "sample_data").symlink_to(ROOT / "sample_data")
        gallery(folder)
        screen(folder / "saved" / "report.html", folder / "page.png")
        for picture in sorted(folder.glob("*.png")):
            shutil.copy(picture, IMAGES / picture.name)
            print(f"docs/images/{picture.name}: {picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
