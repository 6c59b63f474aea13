(* Binary forms with integer coefficients, [c_0; ...; c_n] = sum of c_j s^(n-j) t^j: arithmetic, bounds, and products with weights. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith Bool.
From SgdVerify Require Import Sums Logarithms IntegerFamily.
Import ListNotations.
Open Scope R_scope.

Fixpoint eval_form (c : list Z) (s t : R) : R := match c with nil => 0 | a :: c => IZR a * s ^ (length c) + t * eval_form c s t end.
Definition scale_form (a : Z) (c : list Z) := map (Z.mul a) c.
Fixpoint add_forms (a b : list Z) : list Z := match a, b with x :: a, y :: b => (x + y)%Z :: add_forms a b | _, _ => nil end.
Fixpoint mul_forms (a b : list Z) : list Z :=
  match a with nil => nil | a0 :: a' =>
    match a' with nil => scale_form a0 b | _ => add_forms (scale_form a0 b ++ repeat 0%Z (length a')) (0%Z :: mul_forms a' b) end end.
Fixpoint pow_form (a : list Z) (n : nat) : list Z := match n with O => [1%Z] | S n => mul_forms a (pow_form a n) end.
Fixpoint compose_form (c X Y : list Z) : list Z :=
  match c with nil => nil | a :: c' => match c' with nil => [a] | _ => add_forms (scale_form a (pow_form X (length c'))) (mul_forms Y (compose_form c' X Y)) end end.

Lemma scale_form_length a c : length (scale_form a c) = length c. Proof. apply map_length. Qed.
Lemma add_forms_length : forall a b, length a = length b -> length (add_forms a b) = length a.
Proof. induction a; intros [|y b] H; simpl in *; try discriminate; auto. Qed.
Lemma eval_scale a c s t : eval_form (scale_form a c) s t = IZR a * eval_form c s t.
Proof. induction c; cbn [eval_form scale_form map]. ring. fold (scale_form a c). rewrite IHc, scale_form_length, mult_IZR. ring. Qed.
Lemma eval_add : forall a b s t, length a = length b -> eval_form (add_forms a b) s t = eval_form a s t + eval_form b s t.
Proof.
  induction a as [|x a IHa]; intros [|y b] s t H; simpl in H; try discriminate. simpl; ring.
  cbn [eval_form add_forms]. rewrite IHa by lia. rewrite add_forms_length by lia. rewrite plus_IZR. replace (length b) with (length a) by lia. ring.
Qed.
Lemma eval_zeros k s t : eval_form (repeat 0%Z k) s t = 0.
Proof. induction k; simpl. reflexivity. rewrite IHk. ring. Qed.
Lemma eval_append_zeros : forall c k s t, eval_form (c ++ repeat 0%Z k) s t = s ^ k * eval_form c s t.
Proof.
  induction c; intros k s t; simpl. rewrite eval_zeros; ring.
  rewrite IHc, app_length, repeat_length, pow_add. ring.
Qed.
Lemma mul_forms_length : forall a b, a <> nil -> b <> nil -> length (mul_forms a b) = (length a + length b - 1)%nat.
Proof.
  induction a as [|a0 a' IH]; intros b Ha Hb. congruence.
  assert (Hb' : (0 < length b)%nat) by (destruct b; [congruence | simpl; lia]).
  cbn [mul_forms]. destruct a' as [|a1 a'']. rewrite scale_form_length; simpl; lia.
  assert (HI : length (mul_forms (a1 :: a'') b) = (length (a1 :: a'') + length b - 1)%nat) by (apply IH; congruence).
  rewrite add_forms_length; rewrite app_length, scale_form_length, repeat_length. cbn [length]. lia.
  cbn [length] in *. rewrite HI. lia.
Qed.
Lemma eval_mul : forall a b s t, b <> nil -> eval_form (mul_forms a b) s t = eval_form a s t * eval_form b s t.
Proof.
  induction a as [|a0 a' IH]; intros b s t Hb. simpl; ring.
  assert (Hb' : (0 < length b)%nat) by (destruct b; [congruence | simpl; lia]).
  cbn [mul_forms]. destruct a' as [|a1 a'']. rewrite eval_scale. simpl. ring.
  rewrite eval_add. rewrite eval_append_zeros, eval_scale. cbn [eval_form]. cbn [eval_form] in IH. rewrite IH by auto. ring.
  rewrite app_length, scale_form_length, repeat_length. cbn [length]. rewrite mul_forms_length by congruence. cbn [length]. lia.
Qed.
Lemma pow_form_length a n : (0 < length a)%nat -> length (pow_form a n) = (n * (length a - 1) + 1)%nat.
Proof.
  intros Ha. induction n; cbn [pow_form]. reflexivity.
  rewrite mul_forms_length. rewrite IHn, Nat.mul_succ_l. set (Z1 := (n * (length a - 1))%nat). lia. destruct a; [simpl in Ha; lia | congruence].
  intros E. rewrite E, Nat.add_comm in IHn. discriminate.
Qed.
Lemma pow_form_not_nil a n : (0 < length a)%nat -> pow_form a n <> nil.
Proof. intros Ha E. pose proof (pow_form_length a n Ha). rewrite E, Nat.add_comm in H. discriminate. Qed.
Lemma eval_pow a n s t : (0 < length a)%nat -> eval_form (pow_form a n) s t = eval_form a s t ^ n.
Proof. intros Ha. induction n; cbn [pow_form]. simpl; ring. rewrite eval_mul by (apply pow_form_not_nil; auto). rewrite IHn. reflexivity. Qed.
Lemma compose_form_length : forall c X Y, c <> nil -> length X = 2%nat -> length Y = 2%nat -> length (compose_form c X Y) = length c.
Proof.
  induction c as [|a c' IH]; intros X Y Hc HX HY. congruence. cbn [compose_form]. destruct c' as [|b c'']. reflexivity.
  assert (HI : length (compose_form (b :: c'') X Y) = length (b :: c'')) by (apply IH; auto; congruence).
  rewrite add_forms_length; rewrite scale_form_length, pow_form_length by lia. rewrite HX. cbn [length]. lia.
  rewrite mul_forms_length. rewrite HI, HX, HY. cbn [length]. lia. destruct Y; [discriminate | congruence].
  intros E. rewrite E in HI. discriminate.
Qed.
Lemma eval_compose : forall c X Y s t, length X = 2%nat -> length Y = 2%nat -> eval_form (compose_form c X Y) s t = eval_form c (eval_form X s t) (eval_form Y s t).
Proof.
  induction c as [|a c' IH]; intros X Y s t HX HY. reflexivity. cbn [compose_form]. destruct c' as [|b c'']. simpl. ring.
  assert (HI : length (compose_form (b :: c'') X Y) = length (b :: c'')) by (apply compose_form_length; auto; congruence).
  assert (Hnn : compose_form (b :: c'') X Y <> nil) by (intros E; rewrite E in HI; discriminate).
  rewrite eval_add.
  - rewrite eval_scale, eval_pow by lia. rewrite eval_mul by auto. rewrite IH by auto. reflexivity.
  - rewrite scale_form_length, pow_form_length by lia. rewrite mul_forms_length. rewrite HI, HX, HY. cbn [length]. lia. destruct Y; [discriminate | congruence]. auto.
Qed.
Lemma eval_nonneg c s t : 0 <= s -> 0 <= t -> (forall a, In a c -> (0 <= a)%Z) -> 0 <= eval_form c s t.
Proof.
  intros Hs Ht. induction c as [|a c IH]; intros H. simpl; lra. cbn [eval_form].
  assert (0 <= IZR a) by (apply IZR_le, H; left; auto). assert (0 <= s ^ length c) by (apply pow_le; auto).
  assert (0 <= eval_form c s t) by (apply IH; intros; apply H; right; auto).
  assert (0 <= IZR a * s ^ length c) by (apply Rmult_le_pos; auto). assert (0 <= t * eval_form c s t) by (apply Rmult_le_pos; auto). lra.
Qed.
Fixpoint coefficients_le (a b : list Z) : bool := match a, b with nil, nil => true | x :: a, y :: b => (x <=? y)%Z && coefficients_le a b | _, _ => false end.
Lemma coefficients_le_eval : forall a b s t, 0 <= s -> 0 <= t -> coefficients_le a b = true -> eval_form a s t <= eval_form b s t.
Proof.
  induction a as [|x a IHa]; intros [|y b] s t Hs Ht H; cbn [coefficients_le] in H; try discriminate. lra.
  apply andb_true_iff in H. destruct H as [H1 H2]. apply Z.leb_le, IZR_le in H1.
  assert (Hl : length a = length b).
  { clear - H2. revert b H2. induction a as [|x a IHa]; intros [|y b] H; simpl in *; try discriminate; auto. apply andb_true_iff in H. f_equal. apply IHa. apply H. }
  cbn [eval_form]. rewrite Hl. specialize (IHa b s t Hs Ht H2).
  apply Rplus_le_compat; [apply Rmult_le_compat_r; auto; apply pow_le; auto | apply Rmult_le_compat_l; auto].
Qed.
(* bounds for forms with coefficients >= 1 *)
Lemma eval_ge_first c s t : 0 <= s -> 0 <= t -> (forall a, In a c -> (1 <= a)%Z) -> c <> nil -> s ^ (length c - 1) <= eval_form c s t.
Proof.
  intros Hs Ht H Hc. destruct c as [|a c]; [congruence|]. cbn [eval_form length]. replace (S (length c) - 1)%nat with (length c) by lia.
  assert (1 <= IZR a) by (apply IZR_le, H; left; auto). assert (0 <= s ^ length c) by (apply pow_le; auto).
  assert (0 <= eval_form c s t) by (apply eval_nonneg; auto; intros x Hx; specialize (H x (or_intror Hx)); lia).
  assert (0 <= t * eval_form c s t) by (apply Rmult_le_pos; auto). nra.
Qed.
Lemma eval_ge_last : forall c s t, 0 <= s -> 0 <= t -> (forall a, In a c -> (1 <= a)%Z) -> c <> nil -> t ^ (length c - 1) <= eval_form c s t.
Proof.
  induction c as [|a c IH]; intros s t Hs Ht H Hc. congruence. cbn [eval_form length]. replace (S (length c) - 1)%nat with (length c) by lia.
  assert (1 <= IZR a) by (apply IZR_le, H; left; auto). assert (0 <= s ^ length c) by (apply pow_le; auto).
  destruct c as [|b c]. simpl. nra.
  assert (HI : t ^ (length (b :: c) - 1) <= eval_form (b :: c) s t) by (apply IH; auto; [intros; apply H; right; auto | congruence]).
  assert (E : t ^ length (b :: c) = t * t ^ (length (b :: c) - 1)). { cbn [length]. replace (S (length c) - 1)%nat with (length c) by lia. reflexivity. }
  rewrite E. assert (t * t ^ (length (b :: c) - 1) <= t * eval_form (b :: c) s t) by (apply Rmult_le_compat_l; auto).
  assert (0 <= IZR a * s ^ length (b :: c)) by (apply Rmult_le_pos; lra). lra.
Qed.
Lemma eval_ge_mean c s t : 0 <= s -> 0 <= t -> (forall a, In a c -> (1 <= a)%Z) -> c <> nil -> ((s + t) / 2) ^ (length c - 1) <= eval_form c s t.
Proof.
  intros Hs Ht H Hc. destruct (Rle_lt_dec s t).
  - eapply Rle_trans; [| apply eval_ge_last; auto]. apply pow_incr. lra.
  - eapply Rle_trans; [| apply eval_ge_first; auto]. apply pow_incr. lra.
Qed.
Lemma eval_le_sum c s t : 0 <= s -> 0 <= t -> (forall a, In a c -> (0 <= a)%Z) -> eval_form c s t <= IZR (zsum c) * (s + t) ^ (length c - 1).
Proof.
  intros Hs Ht. induction c as [|a c IH]; intros H. simpl; lra. cbn [eval_form length]. replace (S (length c) - 1)%nat with (length c) by lia.
  change (zsum (a :: c)) with (a + zsum c)%Z. rewrite plus_IZR.
  assert (0 <= IZR a) by (apply IZR_le, H; left; auto).
  assert (Ha : IZR a * s ^ length c <= IZR a * (s + t) ^ length c) by (apply Rmult_le_compat_l; auto; apply pow_incr; lra).
  assert (Hc : t * eval_form c s t <= IZR (zsum c) * (s + t) ^ length c).
  { destruct c as [|b c]. simpl; lra.
    assert (HI := IH ltac:(intros; apply H; right; auto)).
    assert (Hz : 0 <= IZR (zsum (b :: c))).
    { apply IZR_le. clear - H. assert (G : forall l, (forall x, In x l -> (0 <= x)%Z) -> (0 <= zsum l)%Z).
      { induction l as [|x l IHl]; intros Hl. simpl; lia. change (zsum (x :: l)) with (x + zsum l)%Z. specialize (Hl x (or_introl eq_refl)) as H1.
        assert (0 <= zsum l)%Z by (apply IHl; intros; apply Hl; right; auto). lia. }
      apply G. intros; apply H; right; auto. }
    assert (E : (s + t) ^ length (b :: c) = (s + t) * (s + t) ^ (length (b :: c) - 1)). { cbn [length]. replace (S (length c) - 1)%nat with (length c) by lia. reflexivity. }
    rewrite E. assert (0 <= (s + t) ^ (length (b :: c) - 1)) by (apply pow_le; lra).
    assert (0 <= eval_form (b :: c) s t) by (apply eval_nonneg; auto; intros; apply H; right; auto).
    apply Rle_trans with ((s + t) * eval_form (b :: c) s t). apply Rmult_le_compat_r; lra.
    replace (IZR (zsum (b :: c)) * ((s + t) * (s + t) ^ (length (b :: c) - 1))) with ((s + t) * (IZR (zsum (b :: c)) * (s + t) ^ (length (b :: c) - 1))) by ring.
    apply Rmult_le_compat_l; lra. }
  lra.
Qed.
Lemma eval_homogeneous c k s t : eval_form c (k * s) (k * t) = k ^ (length c - 1) * eval_form c s t.
Proof.
  induction c as [|a c IH]. simpl; ring. cbn [eval_form length]. replace (S (length c) - 1)%nat with (length c) by lia.
  destruct c as [|b c]. simpl; ring. rewrite IH. cbn [length]. replace (S (length c) - 1)%nat with (length c) by lia. rewrite Rpow_mult_distr. simpl. ring.
Qed.

(* ---------- products over branches ---------- *)
Fixpoint product_of_powers (bs : list branch) (Gs : list (list Z)) : list Z :=
  match bs, Gs with b :: bs, G :: Gs => mul_forms (pow_form G (Z.to_nat (weight b))) (product_of_powers bs Gs) | _, _ => [1%Z] end.
Lemma product_of_powers_not_nil : forall bs Gs, (forall G, In G Gs -> (0 < length G)%nat) -> product_of_powers bs Gs <> nil.
Proof.
  induction bs as [|b bs IH]; intros [|G Gs] H; cbn [product_of_powers]; try congruence.
  assert (HG : (0 < length G)%nat) by (apply H; left; auto). intros E.
  assert (L := mul_forms_length (pow_form G (Z.to_nat (weight b))) (product_of_powers bs Gs) (pow_form_not_nil _ _ HG) (IH Gs ltac:(intros; apply H; right; auto))).
  rewrite E in L. rewrite pow_form_length in L by auto.
  assert (product_of_powers bs Gs <> nil) by (apply IH; intros; apply H; right; auto). destruct (product_of_powers bs Gs); [congruence|]. simpl in L. lia.
Qed.
Lemma eval_product_of_powers : forall bs Gs s t, length Gs = length bs -> (forall b, In b bs -> (0 < weight b)%Z) -> (forall G, In G Gs -> (0 < length G)%nat) ->
  (forall G, In G Gs -> 0 <= eval_form G s t) ->
  0 <= eval_form (product_of_powers bs Gs) s t /\ (0 < eval_form (product_of_powers bs Gs) s t -> forall G, In G Gs -> 0 < eval_form G s t) /\
  ((forall G, In G Gs -> 0 < eval_form G s t) -> 0 < eval_form (product_of_powers bs Gs) s t /\
   ln (eval_form (product_of_powers bs Gs) s t) = rsum (length bs) (fun i => IZR (weight (nth i bs no_branch)) * ln (eval_form (nth i Gs nil) s t))).
Proof.
  induction bs as [|b bs IH]; intros [|G Gs] s t HL Hb Hlen H0; try discriminate.
  - simpl. split; [lra|]. split. intros _ G []. intros _. split. lra. replace (1 * 1 + t * 0) with 1 by ring. apply ln_1.
  - cbn [product_of_powers]. assert (HbP : (0 < weight b)%Z) by (apply Hb; left; auto).
    assert (HG : (0 < length G)%nat) by (apply Hlen; left; auto).
    rewrite eval_mul by (apply product_of_powers_not_nil; intros; apply Hlen; right; auto). rewrite eval_pow by auto.
    assert (HG0 : 0 <= eval_form G s t) by (apply H0; left; auto).
    destruct (IH Gs s t) as [I1 [I2 I3]]; try (intros; first [apply Hb | apply Hlen | apply H0]; right; auto). simpl in HL; lia.
    assert (Hp0 : 0 <= eval_form G s t ^ Z.to_nat (weight b)) by (apply pow_le; auto).
    split; [apply Rmult_le_pos; auto|]. split.
    + intros Hpos. assert (Hg : 0 < eval_form G s t).
      { destruct HG0 as [|E]; auto. rewrite <- E in Hpos. rewrite pow_i in Hpos by lia. lra. }
      intros G' [<-|HG']; auto. apply I2; auto. destruct I1 as [|E]; auto. rewrite <- E in Hpos. lra.
    + intros Hall. assert (Hg : 0 < eval_form G s t) by (apply Hall; left; auto).
      destruct I3 as [J1 J2]. intros; apply Hall; right; auto.
      assert (0 < eval_form G s t ^ Z.to_nat (weight b)) by (apply pow_lt; auto). split. apply Rmult_lt_0_compat; auto.
      rewrite ln_mult by auto. rewrite J2. cbn [length]. rewrite rsum_shift. cbn [nth]. f_equal.
      rewrite ln_pow_nat by auto. rewrite INR_IZR_INZ, Z2Nat.id by lia. reflexivity.
Qed.
