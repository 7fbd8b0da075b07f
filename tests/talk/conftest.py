from virtual_cards import cards

__all__ = ["cards"]
