"""Who answers: providers of models, their keys, and which of them is asked."""
