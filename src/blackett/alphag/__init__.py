"""Where did this antihydrogen atom annihilate?"""
