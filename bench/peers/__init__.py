"""Other people's recommenders on the split that Whycart is measured on, scored by Whycart's own evaluator."""
