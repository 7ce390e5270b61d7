"""Which files behind an address are photos: the same answer as for a folder."""

from kerasfusion.address import Address, Place
from kerasfusion.images.listing import IMAGE_SUFFIXES, PhotoListing, is_left_out, list_photos, notes_on


class AddressListing:
    """What `PhotoListing` tells of a folder, of an address; there are no links, and nothing that may not be entered.

    Args:
        root: the folder.

    Attributes:
        others, left_out: as of `PhotoListing`.
    """

    def __init__(self, root: Address):
        self._root = root
        self.others: set[Address] = set()
        self.left_out: set[Address] = set()

    def folders(self, folder: Address) -> list[Address]:
        """As `PhotoListing.folders`; raises as `Address.folders`."""
        return [child for child in folder.folders() if not is_left_out(child.name)]

    def photos(self, folder: Address) -> list[Address]:
        """As `PhotoListing.photos`, with sizes and versions; raises as `Address.files`."""
        found = []
        for file in folder.files():
            names = file.url.removeprefix(f"{folder.url}/").split("/")
            if any(not name or is_left_out(name) for name in names):  # a key may hold //, which no path does
                self.left_out.add(file)
            elif file.suffix.lower() not in IMAGE_SUFFIXES:
                self.others.add(file)
            else:
                found.append(file)
        return found

    def notes(self) -> list[str]:
        """As `PhotoListing.notes`."""
        return notes_on(self._root, self.others, self.left_out)

    def require_whole(self) -> None:
        """Nothing is left out unseen: a request that fails is raised at once."""


def list_place(root: Place) -> PhotoListing | AddressListing:
    """A listing for a command that reads photos where they are."""
    return AddressListing(root) if isinstance(root, Address) else list_photos(root)
