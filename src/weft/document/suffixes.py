"""Suffixes that tell, without a download, that a file holds no text."""

_NAMES = """
7z a aac avi avif bin bmp bz2 class dll dmg doc dylib eot exe flac flv gif gz heic icns ico
iso jar jpeg jpg keystore lib m4a mkv mov mp3 mp4 mpeg o obj ogg onnx otf parquet
pkl png ppt psd pyc rar so sqlite sqlite3 tar tgz tif tiff ttf war wasm wav webm webp
whl woff woff2 wmv xls xz zip zst
"""

BINARY_SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
"""Lower-case suffixes with their dot."""
