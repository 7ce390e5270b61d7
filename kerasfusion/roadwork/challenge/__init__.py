"""What a validator makes of a photo before it asks a miner: cut or framed to a small square, distorted, sent as a JPEG.
In: RGB pixels, a kind, a seeded stream. Out: the JPEG, or its pixels; `data challenge` writes folders of them."""
