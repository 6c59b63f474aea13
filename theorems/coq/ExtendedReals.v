(* [-infinity, infinity), where Lyapunov exponents live: a product that vanishes has exponent -infinity. *)
From Coq Require Import Reals Lra.
Open Scope R_scope.

Inductive extended := MinusInfinity | Finite (x : R).
Coercion Finite : R >-> extended.

Definition ext_le (a b : extended) : Prop :=
  match a, b with MinusInfinity, _ => True | Finite _, MinusInfinity => False | Finite x, Finite y => x <= y end.
Definition ext_lt (a b : extended) : Prop := ~ ext_le b a.

Declare Scope ext_scope.
Delimit Scope ext_scope with ext.
Bind Scope ext_scope with extended.
Notation "a <= b" := (ext_le a b) : ext_scope.
Notation "a < b" := (ext_lt a b) : ext_scope.
Notation "a <= b <= c" := (ext_le a b /\ ext_le b c) : ext_scope.

Lemma ext_le_trans a b c : (a <= b -> b <= c -> a <= c)%ext.
Proof. destruct a, b, c; simpl; try tauto; lra. Qed.
Lemma ext_le_refl a : (a <= a)%ext.
Proof. destruct a; simpl; auto. apply Rle_refl. Qed.
Lemma ext_le_antisym a b : (a <= b -> b <= a -> a = b)%ext.
Proof. destruct a, b; simpl; intros; try tauto. f_equal; lra. Qed.
Lemma ext_le_lt_trans a b c : (a <= b -> b < c -> a < c)%ext.
Proof. unfold ext_lt. intros H G K. apply G. exact (ext_le_trans _ _ _ K H). Qed.
Lemma ext_lt_le_trans a b c : (a < b -> b <= c -> a < c)%ext.
Proof. unfold ext_lt. intros H G K. apply H. exact (ext_le_trans _ _ _ G K). Qed.
Lemma ext_lt_weaken a b : (a < b -> a <= b)%ext.
Proof. unfold ext_lt. destruct a, b; simpl; try tauto; lra. Qed.
Lemma Finite_lt (x y : R) : x < y -> (x < y)%ext.
Proof. unfold ext_lt; simpl; lra. Qed.
Lemma ext_le_from_bounds a b : (forall x : R, (b <= x)%ext -> (a <= x)%ext) -> (a <= b)%ext.
Proof.
  intros H. destruct a as [|x], b as [|y]; simpl in *; auto.
  - pose proof (H (x - 1) I). lra.
  - apply H. lra.
Qed.
Lemma ext_le_from_reals a (x : R) : (forall c : R, x < c -> (a <= c)%ext) -> (a <= x)%ext.
Proof.
  intros H. destruct a as [|y]; simpl; auto. destruct (Rle_lt_dec y x) as [|Hlt]; auto.
  pose proof (H ((x + y) / 2) ltac:(lra)) as K. simpl in K. lra.
Qed.
