"""The schema of the limits, and an example."""

from service.api.shared.schemas import Out

EXAMPLE = {
    "max_json_bytes": 65536,
    "max_comparison_json_bytes": 262144,
    "max_predict_json_bytes": 4194304,
    "max_upload_bytes": 16777216,
    "max_images": 256,
    "max_written_bytes": 500_000_000_000,
    "max_queued": 10_000,
    "max_streams": 1_000,
    "key_requests_per_second": 500,
    "max_key_predictions": 32,
    "max_key_streams": 200,
    "max_key_queued": 5_000,
    "max_query_jobs": 200,
    "max_query_values": 200_000,
    "max_digits": 256,
    "max_png_pixels": 4_000_000,
    "max_png_chunks": 50_000,
    "max_jpeg_pixels": 50_000_000,
    "max_jpeg_bytes": 12_582_912,
    "max_jpeg_scans": 32,
    "max_jpeg_segments": 1_000,
    "max_jpeg_metadata_bytes": 2_097_152,
    "max_jpeg_coefficient_bytes": 50_331_648,
    "max_other_pixels": 4_000_000,
    "max_other_blocks": 50_000,
}


class Limits(Out):
    """The limits on the size of requests, pictures and the queue, and on what training may write."""

    max_json_bytes: int
    """Largest JSON body, except for comparisons and predictions."""
    max_comparison_json_bytes: int
    """Largest JSON body of a comparison."""
    max_predict_json_bytes: int
    """Largest JSON body of a prediction."""
    max_upload_bytes: int
    """Largest upload of pictures, all files together."""
    max_images: int
    """Most images in a prediction."""
    max_written_bytes: int
    """Most bytes that a job, or a comparison with all its jobs, may write to the database, by estimate."""
    max_queued: int
    """Most queued jobs."""
    max_streams: int
    """Most streams of events that an api process sends at once."""
    key_requests_per_second: int
    """Most requests per second of a key, in each api process; after a pause twice as many at once."""
    max_key_predictions: int
    """Most predictions of a key that an api process handles at once."""
    max_key_streams: int
    """Most streams of events that an api process sends at once to the clients with one key."""
    max_key_queued: int
    """Most queued jobs that were submitted with one key."""
    max_query_jobs: int
    """Most jobs of a metric query."""
    max_query_values: int
    """Most values that a metric query reads: more jobs or metrics lower its `max_points`."""
    max_digits: int
    """Most digits that a prediction with `digits=many` reads from the pictures of a request."""
    max_png_pixels: int
    """Most pixels of a PNG."""
    max_png_chunks: int
    """Most chunks of a PNG."""
    max_jpeg_pixels: int
    """Most pixels of a JPEG."""
    max_jpeg_bytes: int
    """Largest JPEG."""
    max_jpeg_scans: int
    """Most scans of a JPEG."""
    max_jpeg_segments: int
    """Most segments of a JPEG."""
    max_jpeg_metadata_bytes: int
    """Most bytes of comments and application segments in a JPEG."""
    max_jpeg_coefficient_bytes: int
    """Most memory that the coefficients of a JPEG with several scans may need at full size."""
    max_other_pixels: int
    """Most pixels of a WebP, GIF or BMP."""
    max_other_blocks: int
    """Most chunks of a WebP, and most blocks of a GIF up to the end of its first frame."""
