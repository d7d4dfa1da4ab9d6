"""A load: very many records at once, published in batches, whatever their number in the same memory.

    with connect() as session:
        for told in session.loading.load([Path("export.ndjson")], custodian=hospital, patients=patients):
            print(told)

Records stream through examining, sealing, storing and pinning; when there are as many as make a batch, their root is
anchored on chain. Killed at any moment and given the same again, a load goes on: nothing is lost, nothing is doubled.
"""

from medshare.loading.loading import DEFAULT_BATCH_SIZE, Anchored, Loaded, Loading, Outcome

__all__ = ["DEFAULT_BATCH_SIZE", "Anchored", "Loaded", "Loading", "Outcome"]
